"""The results of a sweep: one row per point, and points grouped by seed, with confidence intervals."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from silly_llm.commands.sweep.points import Point, short, shown
from silly_llm.core.folders.files import write_text
from silly_llm.core.pages import markdown
from silly_llm.core.pages.plots import read_log
from silly_llm.evaluation import compare
from silly_llm.evaluation.comparing.comparisons import finished
from silly_llm.evaluation.comparing.paired import welch
from silly_llm.evaluation.metrics.statistics import Label, Metric, mean_over_seeds
from silly_llm.evaluation.report.numbers import RULE

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


def read_row(point: Point) -> dict[str, Any]:
    """The facts recorded in a finished model folder, after the point's own values.

    `compute` is 6 · N · D floating-point operations (Kaplan et al. 2020, section 2.1): N non-embedding parameters, D tokens.
    """
    facts = json.loads((point.folder / "provenance.json").read_text(encoding="utf-8"))
    row = {
        "point": point.name,
        **point.labels,
        **point.values,
        **{name: facts.get(name) for name in (*SIZES, *COUNTS)},
    }
    body, tokens = row["non_embedding_parameters"], row["tokens"]
    row |= {"compute": 6 * body * tokens if body and tokens else None, "seconds": facts.get("training_seconds")}
    return row | {name: facts.get("metrics", {}).get(name) for name in METRICS} | {"folder": str(point.folder)}


def write_rows(points: Sequence[Point], folder: Path) -> list[dict[str, Any]]:
    """`results.jsonl` and `results.csv`: one row per finished point."""
    rows = [read_row(point) for point in points]
    write_text(folder / "results.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: shown(v) if isinstance(v, (dict, list)) else v for k, v in row.items()} for row in rows)
    write_text(folder / "results.csv", buffer.getvalue())
    return rows


def group(rows: Sequence[Row], labels: Sequence[str]) -> list[Group]:
    """Rows grouped by all labels except the seed, in order."""
    groups: dict[str, Group] = {}
    for row in rows:
        values = {key: row[key] for key in labels if key != "seed" and key in row}
        groups.setdefault(json.dumps(values), Group(values, [])).rows.append(row)
    return list(groups.values())


def verdicts(groups: Sequence[Group]) -> list[str]:
    """How the best group compares with each other one, by bits per byte and Welch's t-test over seeds; of one seed a group nothing."""
    label = Label(METRICS["bits_per_byte"], higher_is_better=False)
    values = {g.name: [row["bits_per_byte"] for row in g.rows if row.get("bits_per_byte") is not None] for g in groups}
    several = {name: found for name, found in values.items() if len(found) > 1}
    pairs = [
        ({"metric": "bits_per_byte", "a": a, "b": b, "question": "recipes"}, label, welch(several[a], several[b]))
        for a, b in combinations(several, 2)
    ]
    best = min(several, key=lambda name: statistics.fmean(several[name]), default=None)
    rows = [row for row in finished(pairs) if best in (row["a"], row["b"])]
    lines = [line for row in rows for line in compare.verdict(row, label)]
    return ["", f"({RULE})", *lines] if lines else []


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


def markdown_table(groups: Sequence[Group], labels: Sequence[str]) -> str:
    """One row per group: labels, size, compute, and results; the best in bold."""
    columns = [key for key in labels if key != "seed"]
    metrics = [m for m in METRICS if any(g.metric(m).n for g in groups)]
    numbers = {**dict.fromkeys(COUNTS, ",.0f"), "compute": ".2e", "seconds": ".0f"}
    heads = [short(key, columns) for key in columns]
    heads += ["parameters", "no embeddings", "tokens", "compute", "seconds", *(METRICS[m] for m in metrics), "n"]
    best = {m: min((g.metric(m).value for g in groups if g.metric(m).n), default=None) for m in metrics}
    rows = [heads]
    for g in groups:
        cells = [shown(g.values.get(key, "")).replace("|", r"\|") for key in columns]
        means = {name: g.mean(name) for name in numbers}
        cells += ["–" if math.isnan(mean) else f"{mean:{numbers[name]}}" for name, mean in means.items()]
        for name, found in ((m, g.metric(m)) for m in metrics):
            text = f"{found.value:.3f}" + ("" if found.high is None else f" ± {found.high - found.value:.3f}")
            cells.append("–" if not found.n else f"**{text}**" if found.value == best[name] else text)
        rows.append([*cells, str(len(g.rows))])
    return markdown.table(rows, len(columns))
