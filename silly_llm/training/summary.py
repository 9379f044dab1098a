"""What a training leaves beside its model: provenance, a card, `training.html` with its curves and samples, and a few lines on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from silly_llm import __version__
from silly_llm.core.config import Recipe, mask, to_yaml
from silly_llm.core.console.duration import duration
from silly_llm.core.folders.output import Output
from silly_llm.core.launch import command_line
from silly_llm.core.pages.plots import read_log, training_plots
from silly_llm.core.pages.render import write_page
from silly_llm.hub.cards import model_card, write_card
from silly_llm.training.callbacks.log import SAMPLES, as_text, read_lines

PAGE = "training.html"
SAMPLES_SHOWN = 5
"""Moments of a training whose samples the page shows side by side."""
PROMPTS_SHOWN = 3


def describe(
    recipe: Recipe[Any],
    trainer: Any,
    output: Output,
    facts: Mapping[str, Any],
    metrics: Mapping[str, float],
    *,
    texts: Sequence[str],
    base_model: str | None = None,
    next_words: Sequence[str] = (),
) -> None:
    """Record the facts, write card and page, and print what was made, how long it took, what came out, and what to do next.

    `facts` are of model and data, `metrics` of the last evaluation (empty without one), `texts` some of those it was trained on, whose
    language the card tells; `base_model` what was trained further, where the recipe's `model_name_or_path` does not say it; `next_words`
    arguments of `silly-llm` that make sense next, beside chatting.
    """
    folder, step = Path(str(recipe.args.output_dir)), trainer.state.global_step
    measured = {name: metrics[f"eval_{name}"] for name in ("loss", "bits_per_byte") if f"eval_{name}" in metrics}
    done = {"steps": step, "tokens": trainer.tokens(), "training_seconds": round(trainer.clock.now(), 1)}
    facts = {**facts, **done, "devices": recipe.args.world_size, **trainer.throughput.overall()}
    output.record(**facts, metrics=measured)
    samples = read_lines(folder / SAMPLES)
    last = [{**s, "prompt": as_text(s["prompt"])} for s in samples if s["step"] == step]
    about: dict[str, Any] = {"metrics": measured, "samples": last[:3], "texts": texts, "base_model": base_model}
    write_card(folder, model_card(recipe, statistics=facts, **about))

    log, took = read_log(folder), duration(facts["training_seconds"])
    outcome, unit = change(log, measured)
    speed = facts.get("tokens_per_second")
    numbers = [
        (outcome, f"{unit}, held out"),
        (took, "of training"),
        (f"{facts['tokens']:,}", "tokens"),
        (f"{facts['parameters']:,}", "parameters"),
        (f"{speed:,.0f}" if speed else "", "tokens a second"),
        (f"{facts['mfu']:.0%}" if "mfu" in facts else "", "of the hardware's peak (MFU)"),
    ]
    page = {
        "title": recipe.run_name or folder.resolve().name,
        "kind": "instruction tuning" if recipe.phase == "sft" else "pretraining",
        "base": base_model or recipe.values.get("model_name_or_path"),
        "dataset": named(recipe.args.dataset),
        "tiles": [(value, label) for value, label in numbers if value],
        "plots": [Markup(svg) for svg in training_plots(log)],
        "samples": samples_over_time(samples, log),
        "recipe": to_yaml(resolved(recipe)),
        "file": recipe.file,
        "version": __version__,
    }
    write_page(folder / PAGE, page)

    rates = [f"{speed:,.0f} tokens/s"] if speed else []
    rates += [f"MFU {facts['mfu']:.0%}"] if "mfu" in facts else []
    took += f" ({', '.join(rates)})" if rates else ""
    print(f"{folder}: {facts['parameters']:,} parameters, {facts['tokens']:,} tokens in {took}")
    if outcome:
        print(f"  {outcome} {unit} on held-out text")
    print(f"look at it: {folder / PAGE}\ntry it: {command_line('chat', folder)}", flush=True)
    if next_words:
        print(f"next: {command_line(*next_words)}", flush=True)


def change(log: Sequence[Mapping[str, Any]], metrics: Mapping[str, float]) -> tuple[str, str]:
    """From the first evaluation to the last: `("2.913 → 0.883", "bits per byte")`; empty without one."""
    key, unit = ("bits_per_byte", "bits per byte") if "bits_per_byte" in metrics else ("loss", "nats a token")
    if key not in metrics:
        return "", ""
    values = [line[f"eval_{key}"] for line in log if f"eval_{key}" in line]
    begin = f"{values[0]:.3f} → " if len(values) > 1 else ""
    return f"{begin}{metrics[key]:.3f}", unit


def samples_over_time(samples: Sequence[Mapping[str, Any]], log: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row a prompt, with what the model made of it at a few moments, the first and the last among them."""
    evaluated = {line["step"]: line for line in log if "eval_loss" in line}
    by_prompt: dict[tuple[str, bool], dict[int, str]] = {}
    for sample in samples:
        prompt = sample["prompt"]
        by_prompt.setdefault((as_text(prompt), isinstance(prompt, str)), {})[sample["step"]] = sample["completion"]
    rows = []
    for (prompt, is_beginning), made in list(by_prompt.items())[:PROMPTS_SHOWN]:
        steps, count = sorted(made), min(len(made), SAMPLES_SHOWN)
        chosen = [steps[round(i * (len(steps) - 1) / max(1, count - 1))] for i in range(count)]
        moments = []
        for step in chosen:
            line = evaluated.get(step, {})
            bits, tokens = line.get("eval_bits_per_byte"), line.get("tokens")
            moments.append({"step": step, "tokens": tokens, "bits": bits, "text": made[step]})
        rows.append({"prompt": prompt, "is_beginning": is_beginning, "moments": moments})
    return rows


def resolved(recipe: Recipe[Any]) -> dict[str, Any]:
    """The recipe with our defaults where it says nothing, secrets masked."""
    libraries = ("transformers.", "trl.", "builtins")
    ours = (c.__annotations__ for c in type(recipe.args).__mro__ if not c.__module__.startswith(libraries))
    names = dict.fromkeys(name for annotations in ours for name in annotations if name not in recipe.values)
    values = {name: getattr(recipe.args, name) for name in names if name != "output_dir"}
    defaults = {name: getattr(value, "value", value) for name, value in values.items() if value is not None}
    shown = {**recipe.masked(), **mask(defaults)}
    shown.pop("output_dir", None)
    return shown


def named(dataset: Any) -> str:
    """A dataset in a sentence."""
    if isinstance(dataset, (list, tuple)):
        return ", ".join(named(item) for item in dataset)
    if isinstance(dataset, Mapping):
        return named(next((dataset[key] for key in ("path", "sources", "dataset") if dataset.get(key)), "text"))
    return str(dataset)
