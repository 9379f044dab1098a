"""The plots of a sweep: loss over compute, width against depth, and a metric over any other numeric key that varies.

Means over seeds with 95 % confidence intervals. A dimension of the grid counts only if it varies independently: heads that
follow from the width are not a dimension.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from silly_llm.commands.sweep.points import short
from silly_llm.commands.sweep.results import METRICS, SIZES, Group, curve
from silly_llm.core.pages.plots import style_axes
from silly_llm.evaluation.report.tables import is_number

INK, MUTED, FAINT = "#22201c", "#736c60", "#e6dfd3"
"""The light colors of the report."""
NAMES = {"width": "Width", "layers": "Layers", "heads": "Attention heads"}
COMPUTE = "Compute: 6 · N · D, floating-point operations"


def draw(groups: Sequence[Group], folder: Path, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Draw the plots that the grid of `keys` supports, each as PNG (for pages) and SVG (for papers); the same rows give the same bytes.

    Returns:
        File name (without extension) and caption of each.
    """
    import matplotlib

    metric = next((m for m in METRICS if any(g.metric(m).n for g in groups)), None)
    groups = [g for g in groups if metric and g.metric(metric).n]
    if not metric or len(groups) < 2:
        return []
    free = free_dimensions(groups, keys)
    figures: dict[str, tuple[str, Any]] = {}
    with matplotlib.rc_context({"font.size": 9, "svg.hashsalt": "silly-llm", "svg.fonttype": "none"}):
        if any(len(curve(g, metric)) > 1 for g in groups) or len({g.mean("compute") for g in groups}) > 1:
            by_size = sorted(groups, key=lambda g: g.mean("non_embedding_parameters"))
            title = f"{METRICS[metric]} over compute"
            figures["compute"] = title, over_compute({named(g, free): g for g in by_size}, metric, title)
        for x in free:
            lines = lines_over(groups, x, [d for d in free if d != x])
            if max(map(len, lines.values()), default=0) < 2 or (x == "layers" and "width" in free):
                continue  # not a number, or already the lines over width
            both, label = (
                x == "width" and "layers" in free,
                NAMES.get(x, short(x, keys).replace("_", " ").capitalize()),
            )
            title = "Width against depth" if both else f"{METRICS[metric]} over {label.lower()}"
            figures["width_depth" if both else short(x, keys)] = title, over(lines, x, metric, title, label)
        folder.mkdir(parents=True, exist_ok=True)
        for name, (_, figure) in figures.items():
            figure.savefig(folder / f"{name}.png", dpi=200, facecolor="white", metadata={"Software": None})
            figure.savefig(folder / f"{name}.svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return [(name, title) for name, (title, _) in figures.items()]


def free_dimensions(groups: Sequence[Group], keys: Sequence[str]) -> list[str]:
    """Width, layers, heads, run names and recipe keys that vary while the ones before them are fixed.

    If runs have names that say more than their sizes, the names come first: what follows from a name is not a dimension.
    """
    free = varying(groups, [*SIZES, "run", *(key for key in keys if key != "seed")])
    return varying(groups, ["run", *free]) if "run" in free else free


def varying(groups: Sequence[Group], names: Iterable[str]) -> list[str]:
    """The dimensions that vary while the ones before them are fixed."""

    def different(names: Sequence[str]) -> int:
        return len({json.dumps([g.value(name) for name in names]) for g in groups})

    free: list[str] = []
    for name in names:
        if different([*free, name]) > different(free):
            free.append(name)
    return free


def lines_over(groups: Sequence[Group], x: str, others: Sequence[str]) -> dict[str, list[Group]]:
    """Groups by their other dimensions, labelled for the legend, sorted by `x`; empty if `x` is not numeric."""

    def order(g: Group) -> list[float]:
        return [v if is_number(v) else math.inf for v in map(g.value, (*others, x))]

    lines: dict[str, list[Group]] = {}
    for g in sorted((g for g in groups if is_number(g.value(x))), key=order):
        lines.setdefault(named(g, others), []).append(g)
    return lines


def over(lines: Mapping[str, Sequence[Group]], x: str, metric: str, title: str, x_label: str) -> Any:
    """A metric over one dimension, with one line per value of the others; lines are offset slightly to keep their bars apart."""
    from matplotlib.transforms import offset_copy

    groups = [g for line in lines.values() for g in line]
    figure, axes = figure_of(title, x_label, metric, groups)
    for number, (label, line) in enumerate(lines.items()):
        apart = offset_copy(axes.transData, figure, 3.5 * (number - (len(lines) - 1) / 2), units="points")
        style = {"color": shade(number, len(lines)), "transform": apart}
        seeds = [(g.value(x), row[metric]) for g in line for row in g.rows if len(g.rows) > 1]
        if seeds:
            axes.scatter(*zip(*seeds, strict=True), s=11, alpha=0.5, linewidths=0, zorder=2, **style)
        bars(axes, [g.value(x) for g in line], line, metric, label=label, linestyle="-", **style)
    found = [(g.value(x), g.metric(metric)) for g in groups]  # without the offset, for the limits
    axes.update_datalim([(at, end) for at, m in found for end in (m.low or m.value, m.high or m.value)])
    xs = sorted({g.value(x) for g in groups})
    if xs[0] > 0 and xs[-1] / xs[0] >= 4:
        axes.set_xscale("log")
    axes.set_xticks(xs, [f"{value:g}" for value in xs])
    finish(axes, len(lines))
    return figure


def over_compute(groups: Mapping[str, Group], metric: str, title: str) -> Any:
    """A metric over floating-point operations on logarithmic axes: training curves, end points, and their envelope."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = figure_of(title, COMPUTE, metric, list(groups.values()))
    reached: list[tuple[float, float]] = []
    for number, (label, g) in enumerate(groups.items()):
        color, size = shade(number, len(groups)), g.mean("non_embedding_parameters")
        along = [(6 * size * tokens, value) for tokens, value in curve(g, metric)]
        reached += [*along, (g.mean("compute"), g.metric(metric).value)]
        if len(along) > 1:
            axes.plot(*zip(*along, strict=True), color=color, linewidth=1.2, alpha=0.8, zorder=2)
        bars(axes, [g.mean("compute")], [g], metric, label=label, linestyle="none", color=color)
    dashed: dict[str, Any] = {"color": INK, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 1}
    axes.plot(*zip(*envelope(reached), strict=True), label="envelope", **dashed)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter("{x:g}")
    finish(axes, len(groups))
    return figure


def envelope(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The falling part of the lower convex hull of points on logarithmic axes: roughly what the best model reaches at each compute."""
    hull: list[tuple[float, float]] = []

    def above(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
        (ax, ay), (bx, by), (cx, cy) = ((math.log(u), math.log(v)) for u, v in (a, b, c))
        return (by - ay) * (cx - ax) >= (cy - ay) * (bx - ax)

    for point in sorted(points):
        if hull and point[1] >= hull[-1][1]:
            continue
        while len(hull) > 1 and above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def figure_of(title: str, x_label: str, metric: str, groups: Sequence[Group]) -> tuple[Any, Any]:
    """An empty plot with a note on what its bars mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.9), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, title=title, x_label=x_label, ink=INK, faint=FAINT)
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold", pad=20)
    axes.set_ylabel(METRICS[metric], color=INK)
    axes.set_axisbelow(True)
    counts = sorted({len(g.rows) for g in groups})
    seeds = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    said = f". Mean over {seeds} seeds, 95 % interval" if counts[-1] > 1 else ""
    axes.text(0, 1.03, f"Held-out text; lower is better{said}", transform=axes.transAxes, color=MUTED, fontsize=8)
    return figure, axes


def bars(axes: Any, xs: Sequence[float], groups: Sequence[Group], metric: str, **style: Any) -> None:
    """Draw means with their intervals."""
    found = [g.metric(metric) for g in groups]
    half = [0.0 if m.high is None else m.high - m.value for m in found]
    axes.errorbar(
        xs, [m.value for m in found], yerr=half if any(half) else None, linewidth=1.6, marker="o", markersize=4.5,
        markeredgecolor="white", markeredgewidth=0.8, elinewidth=1.1, capsize=2.5, zorder=3, **style,
    )  # fmt: skip


def finish(axes: Any, lines: int) -> None:
    """Add room around the points, and a legend on the right if there are several lines, in small type if there are many."""
    axes.minorticks_off()
    axes.margins(x=0.05, y=0.06)
    if lines > 1:
        size = min(9.0, 180 / lines)
        axes.legend(frameon=False, labelcolor="linecolor", loc="center left", bbox_to_anchor=(1, 0.5), fontsize=size)


def shade(number: int, count: int) -> Any:
    """One of `count` maximally distinct colors from light to dark, all visible on white."""
    from matplotlib import colormaps

    return colormaps["viridis_r"](0.25 + 0.7 * (number / (count - 1) if count > 1 else 0.6))


def named(group: Group, dimensions: Sequence[str]) -> str:
    """`width 64, layers 2`: the legend label of a group; named runs use their names."""
    values = {name: group.value(name) for name in dimensions}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    last = {name: name.rpartition(".")[2].replace("_", " ") for name in dimensions}
    return ", ".join(text if name == "run" else f"{last[name]} {text}" for name, text in texts.items())
