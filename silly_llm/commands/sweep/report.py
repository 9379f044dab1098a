"""The page of a sweep: a table over seeds, and its plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from silly_llm.commands.sweep.results import METRICS, Group, Row, group, short, shown
from silly_llm.core.folders.files import write_text
from silly_llm.core.pages.markdown import code, inline
from silly_llm.evaluation.metrics.statistics import Metric


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
    from silly_llm.commands.sweep.plots import draw
    from silly_llm.evaluation.compare import verdicts

    groups = group(rows, labels)
    lines = markdown_table(groups, labels)
    best = verdicts({g.name: {"metrics": {"bits_per_byte": g.metric("bits_per_byte").as_json()}} for g in groups})
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
        page += ["## Failed", "", *(f"- {code(name)}: {inline(reason)}" for name, reason in missing.items()), ""]
    page += ["Every point is a row of `results.csv` and `results.jsonl`, and a model folder below `points/`."]
    write_text(folder / "README.md", "\n".join(page) + "\n")
    return "\n".join([*lines, *best])


def markdown_table(groups: Sequence[Group], labels: Sequence[str]) -> list[str]:
    """A row a group: what it is, how large, how much compute, and what it reached; the best in bold."""
    columns = [key for key in labels if key != "seed"]
    metrics = [m for m in METRICS if any(g.metric(m).n for g in groups)]
    heads = [short(key, columns) for key in columns]
    heads += ["parameters", "no embeddings", "tokens", "compute", "seconds", *(METRICS[m] for m in metrics), "n"]
    best = {m: min((g.metric(m).value for g in groups if g.metric(m).n), default=None) for m in metrics}
    lines = [heads, [*("---" for _ in columns), *("---:" for _ in heads[len(columns) :])]]
    for g in groups:
        cells = [shown(g.values.get(key, "")).replace("|", r"\|") for key in columns]
        for name in ("parameters", "non_embedding_parameters", "tokens"):
            value = g.mean(name)
            cells.append("–" if math.isnan(value) else f"{value:,.0f}")
        cells += ["–" if math.isnan(g.mean("compute")) else f"{g.mean('compute'):.2e}", f"{g.mean('seconds'):.0f}"]
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
