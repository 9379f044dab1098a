"""The numbers of a card: a table of whatever was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from silly_llm.core.console.duration import duration
from silly_llm.core.pages.markdown import code, inline
from silly_llm.hub.data_cards import path_of

MAX_NUMBERS = 60
"""Rows of a card's table of numbers; what is beyond stands in provenance.json."""


def number_rows(statistics: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested numbers as rows of a table: (`rejected: too short`, `1,234`)."""
    rows: list[tuple[str, str]] = []
    for key, value in statistics.items():
        name = re.sub("seconds$", "time", str(key)).replace("_", " ")
        label = prefix + inline(name)
        if isinstance(value, Mapping):
            rows += number_rows(value, f"{label}: ")
        elif value is not None and not isinstance(value, (list, tuple, set)):
            rows.append((label, _number(value, str(key))))
    return rows[:MAX_NUMBERS]


def _number(value: Any, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return inline(value)
    if key.endswith("seconds"):
        return duration(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def interval_row(metric: Mapping[str, Any]) -> tuple[str, str, str]:
    """Value, interval and sample size of a metric, as cells of a table."""
    low, high, n = metric.get("low"), metric.get("high"), metric.get("n")
    interval = f"{_number(low, '')} to {_number(high, '')}" if low is not None and high is not None else ""
    return _number(metric.get("value"), ""), interval, "" if n is None else _number(n, "")


def shown(source: Any) -> str:
    """A recipe's dataset or model in a sentence."""
    if isinstance(source, (list, tuple)):
        return ", ".join(shown(item) for item in source)
    if isinstance(source, Mapping):
        return shown(path_of(source) or source.get("type"))
    return code(source) if source else ""
