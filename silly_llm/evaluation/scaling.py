"""What came out of a sweep: a row a point, a table over seeds with intervals, and the page that shows them with the plots."""

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

from silly_llm.evaluation.statistics import Metric, mean_over_seeds
from silly_llm.markdown import code, inline, one_line
from silly_llm.output import write_text
from silly_llm.plots import read_log

SIZES = ("width", "layers", "heads")
"""A model's dimensions in a row."""
METRICS = {"bits_per_byte": "Bits per byte", "loss": "Loss per token"}
"""What is measured: tunings have the loss alone."""
Row = Mapping[str, Any]


@dataclass
class Group:
    """The points that differ in nothing but their seed."""

    values: dict[str, Any]
    """What tells them from other groups: the labels without the seed."""
    rows: list[Row]

    def metric(self, name: str) -> Metric:
        """Mean and 95 % interval over the seeds."""
        return mean_over_seeds([row[name] for row in self.rows if row.get(name) is not None])

    def mean(self, name: str) -> float:
        """The mean of a number that needs no interval; NaN where it is not known."""
        found = [row[name] for row in self.rows if row.get(name) is not None]
        return statistics.fmean(found) if found else math.nan

    @property
    def name(self) -> str:
        return " · ".join(f"{short(key, self.values)} {shown(value)}" for key, value in self.values.items())


def read_row(point: str, values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What a finished model folder says of itself, after the values that its point has.

    `compute` is 6 · N · D floating-point operations (Kaplan et al. 2020, section 2.1): N the parameters that are no embeddings, D the tokens.
    """
    facts = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    body, tokens = facts.get("non_embedding_parameters"), facts.get("tokens")
    return {
        "point": point,
        **values,
        **{name: facts.get(name) for name in SIZES},
        "parameters": facts.get("parameters"),
        "non_embedding_parameters": body,
        "tokens": tokens,
        "compute": 6 * body * tokens if body and tokens else None,
        "seconds": facts.get("training_seconds"),
        **{name: facts.get("metrics", {}).get(name) for name in METRICS},
        "folder": str(folder),
    }


def write_rows(rows: Sequence[Row], folder: Path) -> None:
    """`results.jsonl` and `results.csv`: a row a finished point."""
    write_text(folder / "results.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    buffer = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {k: shown(v) if isinstance(v, (dict, list)) else v for k, v in row.items()} for row in rows
    )
    write_text(folder / "results.csv", buffer.getvalue())


def group(rows: Sequence[Row], labels: Sequence[str]) -> list[Group]:
    """Rows by all their labels but the seed, in their order."""
    groups: dict[str, Group] = {}
    for row in rows:
        values = {key: row[key] for key in labels if key != "seed" and key in row}
        groups.setdefault(json.dumps(values), Group(values, [])).rows.append(row)
    return list(groups.values())


def curve(found: Group, metric: str) -> list[tuple[float, float]]:
    """The mean over seeds of a metric along the training: (tokens, value) where every seed was evaluated."""
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


def write_report(
    rows: Sequence[Row],
    folder: Path,
    *,
    labels: Sequence[str],
    keys: Sequence[str],
    missing: Mapping[str, str],
    title: str,
) -> str:
    """Write `README.md` with a table over seeds, and the plots that the grid supports.

    Args:
        rows: of the finished points.
        folder: the sweep's.
        labels: the columns that tell points apart.
        keys: the recipe's keys that vary.
        missing: reasons of the points that failed.
        title: of the page.

    Returns:
        The table, as text.
    """
    from silly_llm.evaluation.compare import verdicts
    from silly_llm.evaluation.scaling_plots import draw

    groups = group(rows, labels)
    lines = markdown_table(groups, labels)
    best = verdicts(
        {g.name: {"metrics": {"bits_per_byte": g.metric("bits_per_byte").as_json()}} for g in groups}
    )
    seeds = {len(g.rows) for g in groups}
    command = code(f"silly-llm sweep --config {title}")
    page = [f"# {inline(title)}", "", f"{len(rows)} trainings by {command}."]
    page += ["", *lines, ""]
    if max(seeds, default=0) > 1:
        page += [
            "± is half of the 95 % interval of the mean over seeds (Student's t, n seeds); a point of one seed has none."
        ]
    page += [
        "Compute is 6 · N · D floating-point operations (Kaplan et al. 2020): N the parameters that are no embeddings, D the tokens,"
    ]
    page += ["padding counted. Seconds are of training, the mean over seeds.", *best, ""]
    for name, caption in draw(groups, folder / "plots", keys):
        page += [f"![{caption}](plots/{name}.png)", ""]
    if missing:
        page += [
            "## Failed",
            "",
            *(f"- {code(name)}: {inline(reason)}" for name, reason in missing.items()),
            "",
        ]
    page += ["Every point is a row of `results.csv` and `results.jsonl`, and a model folder below `points/`."]
    write_text(folder / "README.md", "\n".join(page) + "\n")
    return "\n".join([*lines, *best])


def markdown_table(groups: Sequence[Group], labels: Sequence[str]) -> list[str]:
    """A row a group: what it is, how large, how much compute, and what it reached; the best in bold."""
    columns = [key for key in labels if key != "seed"]
    metrics = [m for m in METRICS if any(g.metric(m).n for g in groups)]
    heads = [short(key, columns) for key in columns]
    heads += [
        "parameters",
        "no embeddings",
        "tokens",
        "compute",
        "seconds",
        *(METRICS[m] for m in metrics),
        "n",
    ]
    best = {m: min((g.metric(m).value for g in groups if g.metric(m).n), default=None) for m in metrics}
    lines = [heads, [*("---" for _ in columns), *("---:" for _ in heads[len(columns) :])]]
    for g in groups:
        cells = [shown(g.values.get(key, "")).replace("|", r"\|") for key in columns]
        for name in ("parameters", "non_embedding_parameters", "tokens"):
            value = g.mean(name)
            cells.append("–" if math.isnan(value) else f"{value:,.0f}")
        cells += [
            "–" if math.isnan(g.mean("compute")) else f"{g.mean('compute'):.2e}",
            f"{g.mean('seconds'):.0f}",
        ]
        for name in metrics:
            text = plus_minus(g.metric(name))
            cells.append(f"**{text}**" if g.metric(name).value == best[name] else text)
        lines.append([*cells, str(len(g.rows))])
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def plus_minus(metric: Metric) -> str:
    """`0.912 ± 0.013`."""
    if not metric.n:
        return "–"
    return f"{metric.value:.3f}" + ("" if metric.high is None else f" ± {metric.high - metric.value:.3f}")


def short(key: str, among: Any) -> str:
    """The last part of a dotted key, where no other key ends alike."""
    last = key.rpartition(".")[2]
    return key if sum(other.rpartition(".")[2] == last for other in among) > 1 else last


def shown(value: Any) -> str:
    """A recipe's value as text."""
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
