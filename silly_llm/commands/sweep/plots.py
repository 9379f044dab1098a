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
from silly_llm.core.pages.plots import is_number, style_axes

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
            lines = {named(g, free): [g] for g in sorted(groups, key=lambda g: g.mean("non_embedding_parameters"))}
            title = f"{METRICS[metric]} over compute"
            figures["compute"] = title, plot(lines, "compute", metric, title, COMPUTE)
        for x in free:
            lines = lines_over(groups, x, [d for d in free if d != x])
            if max(map(len, lines.values()), default=0) < 2 or (x == "layers" and "width" in free):
                continue  # not a number, or already the lines over width
            label = NAMES.get(x, short(x, keys).replace("_", " ").capitalize())
            name, title = short(x, keys), f"{METRICS[metric]} over {label.lower()}"
            if x == "width" and "layers" in free:
                name, title = "width_depth", "Width against depth"
            figures[name] = title, plot(lines, x, metric, title, label)
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


def plot(lines: Mapping[str, Sequence[Group]], x: str, metric: str, title: str, x_label: str) -> Any:
    """A metric over a number that varies, a line a label: means with their intervals, the seeds as dots.

    Over `compute` on logarithmic axes, with the trainings' curves and their envelope; over other numbers lines stand a little apart, so that
    their bars do.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
    from matplotlib.transforms import offset_copy

    groups = [g for line in lines.values() for g in line]
    figure, compute, count = Figure(figsize=(6.4, 3.9), layout="constrained"), x == "compute", len(lines)
    axes = figure.add_subplot()
    reached: list[tuple[float, float]] = []
    for number, (label, line) in enumerate(lines.items()):
        aside = 0.0 if compute else 3.5 * (number - (count - 1) / 2)
        color, apart = shade(number, count), offset_copy(axes.transData, figure, aside, units="points")
        seeds = [(g.mean(x), row[metric]) for g in line for row in g.rows if len(g.rows) > 1]
        at, values = [place for place, _ in seeds], [value for _, value in seeds]
        axes.scatter(at, values, color=color, transform=apart, s=11, alpha=0.5, linewidths=0, zorder=2)
        xs, found = [g.mean(x) for g in line], [g.metric(metric) for g in line]
        half = [0.0 if m.high is None else m.high - m.value for m in found]
        axes.errorbar(
            xs, [m.value for m in found], yerr=half if any(half) else None, color=color, transform=apart, label=label,
            linewidth=1.6, marker="o", markersize=4.5, markeredgecolor="white", markeredgewidth=0.8, elinewidth=1.1,
            capsize=2.5, zorder=3,
        )  # fmt: skip
        # what is moved aside does not count for the limits by itself
        axes.update_datalim([(at, m.value + end) for at, m, h in zip(xs, found, half, strict=True) for end in (-h, h)])
        for g in line if compute else ():
            along = [(6 * g.mean("non_embedding_parameters") * tokens, value) for tokens, value in curve(g, metric)]
            reached += [*along, (g.mean(x), g.metric(metric).value)]
            if len(along) > 1:
                axes.plot(*zip(*along, strict=True), color=color, linewidth=1.2, alpha=0.8, zorder=2)
    if compute:
        dashed: dict[str, Any] = {"color": INK, "linewidth": 0.9, "linestyle": (0, (4, 2)), "zorder": 1}
        axes.plot(*zip(*envelope(reached), strict=True), label="envelope", **dashed)
        axes.set(xscale="log", yscale="log")
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        ticks = sorted({g.mean(x) for g in groups})
        axes.set_xscale("log" if ticks[0] > 0 and ticks[-1] / ticks[0] >= 4 else "linear")
        axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    style_axes(axes, title=title, x_label=x_label, ink=INK, faint=FAINT)
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold", pad=20)
    axes.set_ylabel(METRICS[metric], color=INK)
    axes.set_axisbelow(True)
    axes.minorticks_off()
    axes.margins(x=0.05, y=0.06)
    counts = sorted({len(g.rows) for g in groups})
    many = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    said = f". Mean over {many} seeds, 95 % interval" if counts[-1] > 1 else ""
    axes.text(0, 1.03, f"Held-out text; lower is better{said}", transform=axes.transAxes, color=MUTED, fontsize=8)
    if count > 1:
        place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "fontsize": min(9.0, 180 / count)}
        axes.legend(frameon=False, labelcolor="linecolor", **place)
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
