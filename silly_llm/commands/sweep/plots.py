"""The plots of a sweep: loss over compute, width against depth, and a metric over any other number that varies.

Means over seeds with their 95 % intervals. A dimension of the grid counts only when it is free: heads that follow from the width
are no dimension of their own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from silly_llm.commands.sweep.results import METRICS, SIZES, Group, curve, short
from silly_llm.core.pages.plots import style_axes

INK, MUTED, FAINT = "#22201c", "#736c60", "#e6dfd3"
"""The report's light colours."""
NAMES = {"width": "Width", "layers": "Layers", "heads": "Attention heads"}
LABELLED = 15
"""Groups whose ends are labelled at most."""


def draw(groups: Sequence[Group], folder: Path, keys: Sequence[str]) -> list[tuple[str, str]]:
    """Draw the plots that the grid supports, each as PNG and SVG.

    Args:
        groups: points by seed.
        folder: where to.
        keys: the recipe's keys that vary.

    Returns:
        File name (without its end) and caption of each.
    """
    import matplotlib

    metric = next((m for m in METRICS if any(g.metric(m).n for g in groups)), None)
    groups = [g for g in groups if metric and g.metric(metric).n]
    if not metric or len(groups) < 2:
        return []
    drawn = []
    free = free_dimensions(groups, keys)
    with matplotlib.rc_context({"font.size": 9, "svg.hashsalt": "silly-llm", "svg.fonttype": "none"}):
        if any(len(curve(g, metric)) > 1 for g in groups) or len({g.mean("compute") for g in groups}) > 1:
            drawn.append(("compute", f"{METRICS[metric]} over compute"))
            save(over_compute(groups, metric, free), folder / "compute")
        for x in free:
            if x == "layers" and "width" in free:
                continue  # they are the lines over width
            lines = lines_over(groups, x, [d for d in free if d != x])
            if max(map(len, lines.values()), default=0) < 2:
                continue
            both = x == "width" and "layers" in free
            name = "width_depth" if both else short(x, keys)
            title = "Width against depth" if both else f"{METRICS[metric]} over {label_of(x, keys).lower()}"
            save(over(lines, x, metric, title=title, x_label=label_of(x, keys)), folder / name)
            drawn.append((name, title))
    return drawn


def dimension(group: Group, name: str) -> Any:
    """The value of a dimension: of the model's size, or of a recipe's key."""
    return group.rows[0].get(name)


def free_dimensions(groups: Sequence[Group], keys: Sequence[str]) -> list[str]:
    """Width, layers, heads, the names of runs and the recipe's keys, as far as each varies where those before it do not.

    Where runs have names that say more than their sizes, the names come first: what follows from one is no dimension.
    """
    free = varying(groups, [*SIZES, "run", *(key for key in keys if key != "seed")])
    return varying(groups, ["run", *free]) if "run" in free else free


def varying(groups: Sequence[Group], names: Iterable[str]) -> list[str]:
    """Those dimensions that vary where the ones before them do not."""
    free: list[str] = []
    for name in names:
        found: dict[str, set[str]] = {}
        for g in groups:
            here = json.dumps([dimension(g, d) for d in free])
            found.setdefault(here, set()).add(json.dumps(dimension(g, name)))
        if any(len(values) > 1 for values in found.values()):
            free.append(name)
    return free


def lines_over(groups: Sequence[Group], x: str, others: Sequence[str]) -> dict[tuple, list[Group]]:
    """Groups by their other dimensions (name and value), sorted by `x`; empty when `x` is not a number."""
    numeric = [g for g in groups if _number(dimension(g, x))]
    lines: dict[tuple, list[Group]] = {}
    for g in sorted(numeric, key=lambda g: dimension(g, x)):
        values = tuple((d, dimension(g, d)) for d in others)
        lines.setdefault(values, []).append(g)
    ordered = sorted(lines, key=lambda line: [v if _number(v) else math.inf for _, v in line])
    return {line: lines[line] for line in ordered}


def over(lines: Mapping[tuple, list[Group]], x: str, metric: str, *, title: str, x_label: str) -> Any:
    """A metric over one dimension, a line for each value of the others; lines stand a little apart, so that their bars do."""
    figure, axes = figure_of(title, x_label, metric, [g for groups in lines.values() for g in groups])
    xs = sorted({dimension(g, x) for groups in lines.values() for g in groups})
    logarithmic = xs[0] > 0 and xs[-1] / xs[0] >= 4
    handles = []
    for number, (values, groups) in enumerate(lines.items()):
        color = shades(len(lines))[number]
        apart = 0.012 * (number - (len(lines) - 1) / 2)  # as a share of the axis

        def place(g: Group, apart: float = apart) -> float:
            at = dimension(g, x)
            return at * (xs[-1] / xs[0]) ** apart if logarithmic else at + apart * (xs[-1] - xs[0])

        seeds = [(place(g), row[metric]) for g in groups for row in g.rows if len(g.rows) > 1]
        if seeds:
            axes.scatter(*zip(*seeds, strict=True), color=color, s=11, alpha=0.5, linewidths=0, zorder=2)
        drawn = bars(axes, [place(g) for g in groups], groups, metric, color, line="-")
        drawn.set_label(", ".join(named(d, v) for d, v in values))
        handles.append(drawn)
    if logarithmic:
        axes.set_xscale("log")
    axes.set_xticks(xs, [f"{value:g}" for value in xs])
    axes.minorticks_off()
    axes.margins(x=0.05)
    if len(lines) > 1:
        beside(axes, handles)
    return figure


def over_compute(groups: Sequence[Group], metric: str, free: Sequence[str]) -> Any:
    """A metric over floating-point operations on logarithmic axes: the trainings' curves, where each ended, and their envelope.

    Colour is the number of parameters; where all have the same, groups have colours of their own.
    """
    from matplotlib import cm, colors, patheffects, ticker

    sizes = [g.mean("non_embedding_parameters") for g in groups]
    several = len(set(sizes)) > 1
    labelled = several and len(groups) <= LABELLED
    figure, axes = figure_of(
        f"{METRICS[metric]} over compute",
        "Compute: 6 · N · D, floating-point operations",
        metric,
        groups,
        note=f". Labels: {' × '.join(NAMES.get(d, d).lower() for d in free)}" if labelled else "",
    )
    reached: list[tuple[float, float]] = []
    handles = []
    for number, (g, size) in enumerate(zip(groups, sizes, strict=True)):
        color = shades(len(groups))[number]
        if several:
            color = palette()(math.log(size / min(sizes)) / math.log(max(sizes) / min(sizes)))
        along = [(6 * size * tokens, value) for tokens, value in curve(g, metric)]
        end = (g.mean("compute"), g.metric(metric).value)
        reached += [*along, end]
        if len(along) > 1:
            axes.plot(*zip(*along, strict=True), color=color, linewidth=1.2, alpha=0.8, zorder=2)
        drawn = bars(axes, [end[0]], [g], metric, color)
        drawn.set_label(", ".join(named(d, dimension(g, d)) for d in free))
        handles.append(drawn)
        if labelled:
            low = g.metric(metric).low or end[1]
            axes.annotate(
                " × ".join(f"{dimension(g, d)}" for d in free), (end[0], low), xytext=(0, -4),
                textcoords="offset points", ha="center", va="top", color=color, fontsize=7.5, zorder=5,
                path_effects=[patheffects.withStroke(linewidth=2, foreground="white")],
            )  # fmt: skip
    frontier = envelope(reached)
    dashes = (0, (4, 2))
    line = axes.plot(
        *zip(*frontier, strict=True), color=INK, linewidth=0.9, linestyle=dashes, zorder=1, label="envelope"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(x=0.05, y=0.06)
    low, high = axes.get_ylim()
    ticks = [v for v in ticker.MaxNLocator(6).tick_values(low, high) if low <= v <= high]
    axes.set_yticks(ticks, [f"{value:g}" for value in ticks])
    axes.minorticks_off()
    if several:
        by_size = cm.ScalarMappable(colors.LogNorm(min(sizes), max(sizes)), palette())
        bar = figure.colorbar(by_size, ax=axes, pad=0.02, aspect=30)
        bar.ax.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=INK, length=0, which="both")
        bar.ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: people(value)))
        bar.ax.yaxis.set_minor_formatter(ticker.NullFormatter())
        bar.set_label("N: parameters that are no embeddings", color=INK)
        axes.legend(handles=line, frameon=False, labelcolor="linecolor", loc="lower left")
    else:
        beside(axes, [*handles, *line])
    return figure


def envelope(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The lower convex hull of points on logarithmic axes, as far as it falls: what the best model for each compute reaches, about."""
    hull: list[tuple[float, float]] = []

    def above(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
        (ax, ay), (bx, by), (cx, cy) = ((math.log(u), math.log(v)) for u, v in (a, b, c))
        return (by - ay) * (cx - ax) >= (cy - ay) * (bx - ax)

    for point in sorted(points):
        if hull and point[1] >= hull[-1][1]:
            continue
        if hull and point[0] == hull[-1][0]:
            hull.pop()
        while len(hull) > 1 and above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def figure_of(title: str, x_label: str, metric: str, groups: Sequence[Group], note: str = "") -> tuple[Any, Any]:
    """An empty plot that says what its bars are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.9), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, title=title, x_label=x_label, ink=INK, faint=FAINT)
    axes.set_title(title, loc="left", color=INK, fontsize=11, fontweight="bold", pad=20)
    axes.set_ylabel(METRICS[metric], color=INK)
    counts = sorted({len(g.rows) for g in groups})
    said = "Held-out text; lower is better"
    if counts[-1] > 1:
        seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        said += f". Mean over {seeds} seeds, 95 % interval"
    axes.text(0, 1.03, said + note, transform=axes.transAxes, color=MUTED, fontsize=8)
    axes.set_axisbelow(True)
    return figure, axes


def bars(axes: Any, xs: Sequence[float], groups: Sequence[Group], metric: str, color: Any, line: str = "none") -> Any:
    """Draw means with their intervals; the line that a legend shows."""
    found = [g.metric(metric) for g in groups]
    half = [0.0 if m.high is None else m.high - m.value for m in found]
    drawn = axes.errorbar(
        xs, [m.value for m in found], yerr=half if any(half) else None, color=color, linestyle=line, linewidth=1.6,
        marker="o", markersize=4.5, markeredgecolor="white", markeredgewidth=0.8, elinewidth=1.1, capsize=2.5, zorder=3,
    )  # fmt: skip
    return drawn.lines[0]


def beside(axes: Any, handles: Sequence[Any]) -> None:
    """A legend on the right of the plot."""
    axes.legend(
        handles=handles, frameon=False, labelcolor="linecolor", handlelength=1.4, loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )  # fmt: skip


def palette() -> Any:
    """Colours in an order, from light to dark, all of which show on white."""
    from matplotlib import colormaps, colors

    return colors.ListedColormap(colormaps["viridis_r"]([0.25 + 0.7 * i / 255 for i in range(256)]))


def shades(count: int) -> list[Any]:
    """Colours of the palette as far apart as can be."""
    scale = palette()
    return [scale(i / (count - 1) if count > 1 else 0.6) for i in range(count)]


def save(figure: Any, path: Path) -> None:
    """The figure as PNG, for pages, and SVG, for papers; the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(f"{path}.png", dpi=200, facecolor="white", metadata={"Software": None})
    figure.savefig(f"{path}.svg", facecolor="white", metadata={"Date": None, "Creator": None})


def label_of(name: str, keys: Sequence[str]) -> str:
    """A dimension as an axis is labelled."""
    return NAMES.get(name) or short(name, keys).replace("_", " ").capitalize()


def named(name: str, value: Any) -> str:
    """A value of a dimension as a legend has it."""
    if name == "run":
        return str(value)
    if name == "layers":
        return f"{value} layer" + ("" if value == 1 else "s")
    if name in ("width", "heads"):
        return f"{value} {'wide' if name == 'width' else 'heads' if value != 1 else 'head'}"
    return f"{name.rpartition('.')[2].replace('_', ' ')} {value if isinstance(value, str) else json.dumps(value)}"


def people(count: float) -> str:
    """`12k`, `1.7M`."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.2g}{unit}" if count < 100 * size else f"{count / size:.0f}{unit}"
    return f"{count:.0f}"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
