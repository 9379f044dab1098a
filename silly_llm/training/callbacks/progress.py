"""What a person sees of a training: a live bar on a terminal, a line for each log elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm
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
"""Those of the bar, in its order. Bits per byte take the loss' place."""


class Progress(TrainerCallback):
    """A bar on a terminal, a line for each log elsewhere: bits per byte, loss, tokens/s, MFU, gradient norm, time left.

    The time left is by the progress of the training's clock over all attempts.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.bar: Any = None
        self.figures: dict[str, float] = {}

    def on_train_begin(self, args, state, control, **kwargs):
        if state.is_world_process_zero and sys.stderr.isatty():
            self.bar = tqdm(total=1.0, bar_format="{desc} |{bar}|", dynamic_ncols=True)

    def on_step_end(self, args, state, control, **kwargs):
        if self.bar is not None:
            names = [
                n for n in ON_THE_BAR if n in self.figures and (n != "loss" or "bits_per_byte" not in self.figures)
            ]
            done, left = self.done_and_left(state)
            figures = [SHOWN[name].format(self.figures[name]) for name in names]
            self.bar.set_description_str(" · ".join([f"{done:4.0%}", left, *figures]), refresh=False)
            self.bar.update(done - self.bar.n)

    def on_log(self, args, state, control, logs=None, **kwargs):
        figures = {name: logs[name] for name in SHOWN if name in (logs or {})}
        self.figures |= figures
        if figures and self.bar is None and state.is_world_process_zero:
            done, left = self.done_and_left(state)
            facts = [SHOWN[name].format(value) for name, value in figures.items()]
            print("  " + " · ".join([f"step {state.global_step}", f"{done:.0%}", *facts, left]), flush=True)

    def on_train_end(self, args, state, control, **kwargs):
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def done_and_left(self, state: Any) -> tuple[float, str]:
        done = self.clock.progress(state.global_step, state.max_steps)
        return done, f"{duration(self.clock.left(done))} left" if done > 0 else ""
