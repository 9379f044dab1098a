"""Plots as inline SVG whose colours are the page's CSS variables, so that they follow light and dark.

matplotlib knows no CSS variables: it draws with the stand-in colours below, which are replaced in the SVG's text.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RunError

INK, FAINT = "#010203", "#040506"
SERIES = tuple(f"#0a0b0{i}" for i in range(1, 9))
VARIABLES = {INK: "muted", FAINT: "line"} | {color: f"series-{i}" for i, color in enumerate(SERIES)}
Points = Sequence[tuple[float, float]]


def line_plot(lines: Mapping[str, Points], *, title: str, x_label: str, marked: bool = False) -> str:
    """One small plot as an `<svg>` element.

    Args:
        lines: Points by the name of their line; empty lines are left out.
        marked: Draw the last line with its points marked and the last value written beside it.
    """
    from matplotlib.ticker import MaxNLocator

    lines = {name: points for name, points in lines.items() if points}
    with _drawn(title, x_label) as (axes, svg):
        for color, (name, points) in zip(SERIES, lines.items(), strict=False):
            xs, ys = zip(*points, strict=True)
            last = marked and name == list(lines)[-1]
            shape = "o" if last or len(points) == 1 else None  # one point is no line
            axes.plot(xs, ys, color=color, label=name, linewidth=1.6, marker=shape, markersize=3.5)
            if last:
                place: dict[str, Any] = {"xytext": (0, 7), "textcoords": "offset points", "ha": "right"}
                axes.annotate(f"{ys[-1]:.3f}", (xs[-1], ys[-1]), color=color, fontweight="bold", **place)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        if len(lines) > 1:
            axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)
    return svg[0]


@dataclass(frozen=True)
class Point:
    """A point of a scatter plot, with the interval of its height, and a name beside it where the colour does not say it."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    color: str = INK
    name: str = ""
    hollow: bool = False


def scatter_plot(points: Sequence[Point], *, title: str, x_label: str) -> str:
    """Points with their intervals over a logarithmic axis, as an `<svg>` element."""
    with _drawn(title, x_label) as (axes, svg):
        axes.set_xscale("log")
        for p in points:
            if p.low is not None and p.high is not None:
                axes.plot((p.x, p.x), (p.low, p.high), color=p.color, linewidth=1.6)
            face = "none" if p.hollow else p.color
            axes.plot(p.x, p.y, "o", color=p.color, markerfacecolor=face, markersize=5.5)
            if p.name:
                axes.annotate(p.name, (p.x, p.y), xytext=(6, 3), textcoords="offset points", color=p.color, fontsize=8)
        axes.margins(x=0.15)
    return svg[0]


@contextlib.contextmanager
def _drawn(title: str, x_label: str) -> Iterator[tuple[Any, list[str]]]:
    """Axes to draw on, and the list that then has the plot's `<svg>`."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": f"{title}{x_label}", "font.size": 9}
    with rc_context(style):
        figure, svg, buffer = Figure(figsize=(4.0, 2.6), layout="constrained"), [""], io.StringIO()
        axes = figure.add_subplot()
        style_axes(axes, title=title, x_label=x_label)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        yield axes, svg
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg[0] = themed(buffer.getvalue(), title)


def style_axes(axes: Any, *, title: str, x_label: str, ink: str = INK, faint: str = FAINT) -> None:
    """What all plots look like: a bold title on the left, faint horizontal lines, no frame."""
    axes.set_title(title, loc="left", color=ink, fontsize=10, fontweight="bold", parse_math=False)
    axes.set_xlabel(x_label, color=ink)
    axes.tick_params(colors=ink, length=0)
    axes.grid(axis="y", color=faint, linewidth=0.8)
    axes.margins(x=0.02, y=0.12)
    for spine in axes.spines.values():
        spine.set_visible(False)


def themed(svg: str, title: str) -> str:
    """An SVG file's text as an element for a page: no prolog, no fixed size, no fonts, colours by variable."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    opening = rf'<svg viewBox="\1" role="img" aria-label="{escape(title)}">'
    svg = re.sub(r'<svg[^>]*?viewBox="([^"]+)"[^>]*>', opening, svg, count=1)
    svg = re.sub(r"font: (bold |\d{3} |)([\d.]+)px [^;\"]+", r"font-weight: \1; font-size: \2px", svg)
    svg = svg.replace("font-weight: ; ", "")
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var(--{variable})")
    return svg


def training_plots(log: Sequence[Mapping[str, Any]]) -> list[str]:
    """The curves of a training from its `training_log.jsonl`: loss, bits per byte, learning rate, speed."""
    most = max((float(row.get("tokens") or 0) for row in log), default=0)
    x, unit, label = ("tokens", 1e6, "million tokens") if most >= 1e6 else ("tokens", 1e3, "thousand tokens")
    if not most:
        x, unit, label = "step", 1.0, "steps"

    def points(key: str) -> list[tuple[float, float]]:
        found = {row[x] / unit: row[key] for row in log if is_number(row.get(x)) and is_number(row.get(key))}
        return sorted(found.items())

    curves = [
        ("Loss (nats per token)", {"training": points("loss"), "held out": points("eval_loss")}, 1),
        ("Held-out bits per byte", {"bpb": points("eval_bits_per_byte")}, 1),
        ("Learning rate", {"lr": points("learning_rate")}, 2),
        ("Tokens a second", {"tokens/s": points("tokens_per_second")}, 2),
    ]
    return [
        line_plot(lines, title=title, x_label=label, marked=fewest == 1 and bool(list(lines.values())[-1]))
        for title, lines, fewest in curves
        if max(map(len, lines.values())) >= fewest
    ]


def is_number(value: Any) -> bool:
    """Whether it is one, other than NaN and a truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of `training_log.jsonl`; a torn last line of an interrupted run is left out."""
    file = folder / "training_log.jsonl"
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    except OSError as error:
        raise RunError(f"{file}: cannot be read ({error.strerror})") from None
    rows = []
    for line in lines:
        with contextlib.suppress(ValueError):
            rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict)]
