"""The results of a sweep: one row per point, and points grouped by seed, with confidence intervals."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silly_llm.commands.sweep.points import short, shown
from silly_llm.core.folders.files import write_text
from silly_llm.core.pages.plots import read_log
from silly_llm.evaluation.metrics.statistics import Metric, mean_over_seeds

SIZES = ("width", "layers", "heads")
"""Model dimensions in a row."""
COUNTS = ("parameters", "non_embedding_parameters", "tokens")
METRICS = {"bits_per_byte": "Bits per byte", "loss": "Loss per token"}
"""The metrics; tuning runs only have the loss."""
Row = Mapping[str, Any]


@dataclass
class Group:
    """Points that differ only in their seed."""

    values: dict[str, Any]
    """What distinguishes it from other groups: the labels without the seed."""
    rows: list[Row]

    def value(self, name: str) -> Any:
        """A value shared by all its points: a label, or a dimension of the model."""
        return self.rows[0].get(name)

    def metric(self, name: str) -> Metric:
        """Mean and 95 % confidence interval over the seeds."""
        return mean_over_seeds([row[name] for row in self.rows if row.get(name) is not None])

    def mean(self, name: str) -> float:
        """The mean of a number that needs no interval; NaN if unknown."""
        found = [row[name] for row in self.rows if row.get(name) is not None]
        return statistics.fmean(found) if found else math.nan

    @property
    def name(self) -> str:
        return " · ".join(f"{short(key, self.values)} {shown(value)}" for key, value in self.values.items())


def read_row(point: str, values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The facts recorded in a finished model folder, after the point's own values.

    `compute` is 6 · N · D floating-point operations (Kaplan et al. 2020, section 2.1): N non-embedding parameters, D tokens.
    """
    facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    row = {"point": point, **values, **{name: facts.get(name) for name in (*SIZES, *COUNTS)}}
    body, tokens = row["non_embedding_parameters"], row["tokens"]
    row |= {"compute": 6 * body * tokens if body and tokens else None, "seconds": facts.get("training_seconds")}
    return row | {name: facts.get("metrics", {}).get(name) for name in METRICS} | {"folder": str(folder)}


def write_rows(rows: Sequence[Row], folder: Path) -> None:
    """`results.jsonl` and `results.csv`: one row per finished point."""
    write_text(folder / "results.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    buffer = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: shown(v) if isinstance(v, (dict, list)) else v for k, v in row.items()} for row in rows)
    write_text(folder / "results.csv", buffer.getvalue())


def group(rows: Sequence[Row], labels: Sequence[str]) -> list[Group]:
    """Rows grouped by all labels except the seed, in order."""
    groups: dict[str, Group] = {}
    for row in rows:
        values = {key: row[key] for key in labels if key != "seed" and key in row}
        groups.setdefault(json.dumps(values), Group(values, [])).rows.append(row)
    return list(groups.values())


def curve(found: Group, metric: str) -> list[tuple[float, float]]:
    """The mean over seeds of a metric during training: (tokens, value) where every seed was evaluated."""
    logs = [
        {
            line["tokens"]: line[f"eval_{metric}"]
            for line in read_log(Path(row["folder"]))
            if line.get("tokens") and isinstance(line.get(f"eval_{metric}"), (int, float))
        }
        for row in found.rows
    ]
    common = set.intersection(*map(set, logs))
    return [(tokens, statistics.fmean(log[tokens] for log in logs)) for tokens in sorted(common)]
