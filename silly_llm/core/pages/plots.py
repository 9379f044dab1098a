"""Plots as inline SVG whose colours are the page's CSS variables, so that they follow light and dark.

matplotlib knows no CSS variables: it draws with the stand-in colours below, which are replaced in the SVG's text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RunError

INK, FAINT = "#010203", "#040506"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04")
VARIABLES = {INK: "var(--muted)", FAINT: "var(--line)"} | {
    color: f"var(--series-{i})" for i, color in enumerate(SERIES)
}
Points = Sequence[tuple[float, float]]


def line_plot(
    lines: Mapping[str, Points], *, title: str, x_label: str, markers: Sequence[str] = (), log_y: bool = False
) -> str:
    """One small plot as an `<svg>` element.

    Args:
        lines: Points by the name of their line; empty lines are left out.
        markers: Lines drawn with their points marked and the last value written beside it.
        log_y: Logarithmic vertical axis.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    lines = {name: points for name, points in lines.items() if points}
    style: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": f"{title}{x_label}", "font.size": 9}
    with rc_context(style):
        figure = Figure(figsize=(4.0, 2.6), layout="constrained")
        axes = figure.add_subplot()
        for index, (name, points) in enumerate(lines.items()):
            xs, ys = zip(*points, strict=True)
            marked = name in markers
            color = SERIES[index % len(SERIES)]
            shape = "o" if marked or len(points) == 1 else None  # one point is no line
            axes.plot(xs, ys, color=color, label=name, linewidth=1.6, marker=shape, markersize=3.5)
            if marked:
                axes.annotate(
                    f"{ys[-1]:.3f}", (xs[-1], ys[-1]), xytext=(0, 7), textcoords="offset points",
                    ha="right", color=color, fontweight="bold",
                )  # fmt: skip
        style_axes(axes, title=title, x_label=x_label)
        if log_y:
            axes.set_yscale("log")
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_locator(MaxNLocator(6))
        if len(lines) > 1:
            axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.2)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return themed(buffer.getvalue(), title)


def style_axes(axes: Any, *, title: str, x_label: str, ink: str = INK, faint: str = FAINT) -> None:
    """What all plots look like: a bold title on the left, faint horizontal lines, no frame."""
    axes.set_title(title, loc="left", color=ink, fontsize=10, fontweight="bold")
    axes.set_xlabel(x_label, color=ink)
    axes.tick_params(colors=ink, length=0)
    axes.grid(axis="y", color=faint, linewidth=0.8)
    axes.margins(x=0.02, y=0.12)
    for spine in axes.spines.values():
        spine.set_visible(False)


def themed(svg: str, title: str) -> str:
    """An SVG file's text as an element for a page: no prolog, no fixed size, no fonts, colours by variable."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'<svg[^>]*?viewBox="([^"]+)"[^>]*>', rf'<svg viewBox="\1" role="img" aria-label="{title}">', svg, count=1
    )
    svg = re.sub(r"font: ((?:bold |\d{3} )?)([\d.]+)px [^;\"]+", r"font: \1\2px inherit", svg)
    svg = re.sub(r"font: (bold |\d{3} |)([\d.]+)px inherit", r"font-weight: \1; font-size: \2px", svg)
    svg = svg.replace("font-weight: ;", "")
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, variable)
    return svg


def training_plots(log: Sequence[Mapping[str, Any]]) -> list[str]:
    """The curves of a training from its `training_log.jsonl`: loss, bits per byte, learning rate, speed."""
    by_tokens = any(row.get("tokens") for row in log)
    unit, label = 1.0, "steps"
    if by_tokens:
        most = max(float(row.get("tokens") or 0) for row in log)
        unit, label = (1e6, "million tokens") if most >= 1e6 else (1e3, "thousand tokens")

    def points(key: str) -> list[tuple[float, float]]:
        x = "tokens" if by_tokens else "step"
        found = [(row[x] / unit, row[key]) for row in log if _number(row.get(x)) and _number(row.get(key))]
        return sorted(dict(found).items())

    plots = []
    losses = {"training": points("loss"), "held out": points("eval_loss")}
    if any(losses.values()):
        plots.append(line_plot(losses, title="Loss (nats per token)", x_label=label, markers=["held out"]))
    if bits := points("eval_bits_per_byte"):
        plots.append(line_plot({"bpb": bits}, title="Held-out bits per byte", x_label=label, markers=["bpb"]))
    if len(rates := points("learning_rate")) > 1:
        plots.append(line_plot({"lr": rates}, title="Learning rate", x_label=label))
    if len(speeds := points("tokens_per_second")) > 1:
        plots.append(line_plot({"tokens/s": speeds}, title="Tokens a second", x_label=label))
    return plots


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of `training_log.jsonl`; a torn last line of an interrupted run is left out."""
    import json

    file = folder / "training_log.jsonl"
    rows = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    except OSError as error:
        raise RunError(f"{file}: cannot be read ({error.strerror})") from None
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return [row for row in rows if isinstance(row, dict)]
