"""What a person sees of a training: a live bar on a terminal, a line for each log elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

from transformers import TrainerCallback

from silly_llm.core.console.duration import duration
from silly_llm.training.callbacks.log import Clock

SHOWN = {
    "loss": "loss {:.3f}",
    "bits_per_byte": "{:.3f} bits/byte",
    "eval_loss": "eval loss {:.3f}",
    "eval_bits_per_byte": "eval {:.3f} bits/byte",
    "tokens_per_second": "{:,.0f} tokens/s",
    "mfu": "MFU {:.0%}",
    "grad_norm": "grad norm {:.2f}",
}
"""The figures of a line, in its order."""
ON_THE_BAR = ("eval_bits_per_byte", "bits_per_byte", "loss", "tokens_per_second", "mfu")
"""Those of the bar, of which a narrow terminal shows the first. Bits per byte take the loss' place."""


class Progress(TrainerCallback):
    """A bar on a terminal, a line for each log elsewhere: bits per byte, loss, tokens/s, MFU, gradient norm, time left.

    Args:
        clock: the training's; the time left is by its progress over all attempts.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.bar: Any = None
        self.figures: dict[str, float] = {}

    def on_train_begin(self, args, state, control, **kwargs):
        if state.is_world_process_zero and sys.stderr.isatty():
            self.bar = bar_of(self, state)

    def on_step_end(self, args, state, control, **kwargs):
        if self.bar is not None:
            self.bar.update(self.clock.progress(state.global_step, state.max_steps) - self.bar.n)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero or not logs or not SHOWN.keys() & logs.keys():
            return
        if self.bar is not None:
            self.figures |= {name: logs[name] for name in SHOWN if name in logs}
            return
        done = self.clock.progress(state.global_step, state.max_steps)
        facts = [text.format(logs[name]) for name, text in SHOWN.items() if name in logs]
        left = f"{duration(self.clock.left(done))} left" if done > 0 else ""
        print("  " + " · ".join([f"step {state.global_step}", f"{done:.0%}", *facts, left]), flush=True)

    def on_train_end(self, args, state, control, **kwargs):
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def bar_of(progress: Progress, state: Any) -> Any:
    """A bar from 0 to 1 whose figures are made when it is drawn: ten times a second at most, whatever the steps."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        @property
        def format_dict(self) -> MutableMapping[str, Any]:  # tqdm's own way to show more
            values = super().format_dict
            done = progress.clock.progress(state.global_step, state.max_steps)
            left = progress.clock.left(done)
            width = values["ncols"] or None  # terminals that do not know theirs say 0
            figures = bar_text(done, left, progress.figures, width)
            return {**values, "ncols": width, "figures": figures}

    return Bar(total=1.0, bar_format="{figures} |{bar}|", dynamic_ncols=True)


def bar_text(done: float, left: float, figures: Mapping[str, float], width: int | None = None) -> str:
    """What stands before the bar: ` 42% · 1:23 left · eval 0.912 bits/byte · …`; of the figures those that fit into the width."""
    names = [n for n in ON_THE_BAR if n in figures and not (n == "loss" and "bits_per_byte" in figures)]
    facts = [f"{done:4.0%}", *([f"{duration(left)} left"] if done > 0 else [])]
    facts += [SHOWN[name].format(figures[name]) for name in names]
    while width and len(facts) > 1 and len(" · ".join(facts)) > width:
        facts.pop()
    return " · ".join(facts)
