"""What a training says at its end: a few lines on the screen, and `training.html`, one self-contained page with its curves and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from silly_llm import __version__
from silly_llm.core.config import Recipe, mask, to_yaml
from silly_llm.core.console.duration import duration
from silly_llm.core.launch import command_line
from silly_llm.core.pages.plots import read_log, training_plots
from silly_llm.core.pages.render import write_page
from silly_llm.training.callbacks.log import SAMPLES, read_lines

PAGE = "training.html"
SAMPLES_SHOWN = 5
"""Moments of a training whose samples the page shows side by side."""
PROMPTS_SHOWN = 3


def tell_end(
    recipe: Recipe[Any], facts: Mapping[str, Any], metrics: Mapping[str, float], next_words: Sequence[str] = ()
) -> None:
    """Write the page, and print what was made, how long it took, what came out, and what to do next.

    Args:
        recipe: what was trained, into `output_dir`.
        facts: `parameters`, `tokens`, `training_seconds`, and where known `tokens_per_second`, `mfu`, `base_model`, `vocabulary`, `devices`.
        metrics: of the last evaluation: `loss`, and of pretraining `bits_per_byte`; empty without one.
        next_words: arguments of `silly-llm` that make sense next, beside chatting.
    """
    folder = Path(str(recipe.args.output_dir))
    log = read_log(folder)
    write_page(folder / PAGE, page_context(recipe, facts, metrics, log))
    speed = [f"{facts['tokens_per_second']:,.0f} tokens/s"] if "tokens_per_second" in facts else []
    speed += [f"MFU {facts['mfu']:.0%}"] if "mfu" in facts else []
    took = duration(facts["training_seconds"]) + (f" ({', '.join(speed)})" if speed else "")
    lines = [f"{folder}: {facts['parameters']:,} parameters, {facts['tokens']:,} tokens in {took}"]
    if outcome := change(log, metrics):
        lines.append(f"  {' '.join(outcome)} on held-out text")
    lines += [f"look at it: {folder / PAGE}", f"try it: {command_line('chat', folder)}"]
    if next_words:
        lines.append(f"next: {command_line(*next_words)}")
    print("\n".join(lines), flush=True)


def change(log: Sequence[Mapping[str, Any]], metrics: Mapping[str, float]) -> tuple[str, str] | None:
    """From the first evaluation to the last: `("2.913 → 0.883", "bits per byte")`; `None` without one."""
    key, unit = ("bits_per_byte", "bits per byte") if "bits_per_byte" in metrics else ("loss", "nats a token")
    if key not in metrics:
        return None
    values = [line[f"eval_{key}"] for line in log if f"eval_{key}" in line]
    begin = f"{values[0]:.3f} → " if len(values) > 1 else ""
    return f"{begin}{metrics[key]:.3f}", unit


def page_context(
    recipe: Recipe[Any], facts: Mapping[str, Any], metrics: Mapping[str, float], log: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Everything that `training.html.jinja` shows, in plain values."""
    folder = Path(str(recipe.args.output_dir))
    tiles = [
        (duration(facts["training_seconds"]), "of training"),
        (f"{facts['tokens']:,}", "tokens"),
        (f"{facts['parameters']:,}", "parameters"),
    ]
    if outcome := change(log, metrics):
        tiles.insert(0, (outcome[0], f"{outcome[1]}, held out"))
    if "tokens_per_second" in facts:
        tiles.append((f"{facts['tokens_per_second']:,.0f}", "tokens a second"))
    if "mfu" in facts:
        tiles.append((f"{facts['mfu']:.0%}", "of the hardware's peak (MFU)"))
    base = facts.get("base_model") or recipe.values.get("model_name_or_path")
    return {
        "title": folder.resolve().name if not recipe.run_name else recipe.run_name,
        "kind": "instruction tuning" if recipe.phase == "sft" else "pretraining",
        "base": base,
        "dataset": named(recipe.args.dataset),
        "tiles": tiles,
        "plots": [Markup(svg) for svg in training_plots(log)],
        "samples": samples_over_time(read_lines(folder / SAMPLES), log),
        "recipe": to_yaml(resolved(recipe)),
        "file": recipe.file,
        "version": __version__,
    }


def samples_over_time(samples: Sequence[Mapping[str, Any]], log: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row a prompt, with what the model made of it at a few moments, the first and the last among them."""
    known = {line["step"]: line for line in log if "eval_loss" in line}
    by_prompt: dict[str, dict[int, str]] = {}
    for sample in samples:
        prompt = sample["prompt"]
        text = prompt if isinstance(prompt, str) else str(prompt[-1]["content"])
        by_prompt.setdefault(text, {})[sample["step"]] = sample["completion"]
    rows = []
    for prompt, made in list(by_prompt.items())[:PROMPTS_SHOWN]:
        steps = sorted(made)
        count = min(len(steps), SAMPLES_SHOWN)
        chosen = [steps[round(i * (len(steps) - 1) / max(1, count - 1))] for i in range(count)]
        moments = [
            {
                "step": step,
                "tokens": known.get(step, {}).get("tokens"),
                "bits": known.get(step, {}).get("eval_bits_per_byte"),
                "text": made[step],
            }
            for step in chosen
        ]
        is_beginning = any(s["prompt"] == prompt for s in samples)
        rows.append({"prompt": prompt, "is_beginning": is_beginning, "moments": moments})
    return rows


def resolved(recipe: Recipe[Any]) -> dict[str, Any]:
    """The recipe with our defaults where it says nothing, secrets masked."""
    args = recipe.args
    libraries = ("transformers.", "trl.", "builtins")
    ours = (c.__annotations__ for c in type(args).__mro__ if not c.__module__.startswith(libraries))
    names = dict.fromkeys(name for annotations in ours for name in annotations)
    values = {name: getattr(args, name) for name in names if name not in recipe.values}
    defaults = {n: getattr(v, "value", v) for n, v in values.items() if v is not None}
    shown = {**recipe.masked(), **mask(defaults)}
    return {key: value for key, value in shown.items() if key != "output_dir"}


def named(dataset: Any) -> str:
    """A dataset in a sentence."""
    if isinstance(dataset, (list, tuple)):
        return ", ".join(named(item) for item in dataset)
    if isinstance(dataset, Mapping):
        return named(next((dataset[key] for key in ("path", "sources", "dataset") if dataset.get(key)), "text"))
    return str(dataset)
