"""The report of a sweep: a table over seeds, and the plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from silly_llm.commands.sweep.points import short, shown
from silly_llm.commands.sweep.results import COUNTS, METRICS, Group, Row, group
from silly_llm.core.folders.files import write_text
from silly_llm.core.pages import markdown
from silly_llm.core.pages.markdown import code, inline
from silly_llm.evaluation.compare import verdicts

PAGE = """# {title}

{count} trainings with {command}.

{table}

± is half the width of the 95 % confidence interval of the mean over seeds (Student's t, n seeds); a point with one seed has none.
Compute is 6 · N · D floating-point operations (Kaplan et al. 2020): N is the number of non-embedding parameters, D the number of
tokens including padding. Seconds are training time, the mean over seeds.
{best}
{plots}{failed}Every point is a row of `results.csv` and `results.jsonl`, and a model folder under `points/`.
"""


def write_report(
    rows: Sequence[Row],
    folder: Path,
    *,
    labels: Sequence[str],
    keys: Sequence[str],
    missing: Mapping[str, str],
    title: str,
) -> str:
    """Write `README.md` with a table over seeds and the plots that the grid supports; returns the table and the best group as text.

    Args:
        labels: the columns that distinguish points.
        keys: the recipe keys that vary.
        missing: reasons for failed points.
    """
    from silly_llm.commands.sweep.plots import draw

    groups = group(rows, labels)
    table = markdown_table(groups, labels)
    models = {g.name: {"metrics": {"bits_per_byte": g.metric("bits_per_byte").as_json()}} for g in groups}
    best = "\n".join(verdicts(models))
    failed = "".join(f"- {code(name)}: {inline(reason)}\n" for name, reason in missing.items())
    page = PAGE.format(
        title=inline(title),
        count=len(rows),
        command=code(f"silly-llm sweep --config {title}"),
        table=table,
        best=f"{best}\n" if best else "",
        plots="".join(f"![{text}](plots/{name}.png)\n\n" for name, text in draw(groups, folder / "plots", keys)),
        failed=f"## Failed\n\n{failed}\n" if failed else "",
    )
    write_text(folder / "README.md", page)
    return f"{table}\n{best}" if best else table


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
