"""What pretraining and tuning share beside the Trainer: the clock, the log, samples."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from silly_llm.core.console.signals import heard
from silly_llm.core.folders.files import write_text
from silly_llm.core.sampling import SamplingParams, sample_text

LOG = "training_log.jsonl"
SAMPLES = "samples.jsonl"


class Clock(TrainerCallback, ExportableState):
    """Seconds of training, over all attempts; stops at `max_minutes`, and when a signal was heard; evaluates after the last step.

    All processes see the first one's clock, and stop at the same step: at the end of a step they begin to exchange what it says and what
    they heard, on the CPU, and read it at the end of the next. No step waits for it.

    Without `max_minutes` it only counts. `evaluates`: after the last step, whatever `eval_strategy` is, within the training, so that
    trackers have it in the same run; but a person who stops it by a signal does not want to wait for an evaluation.
    """

    def __init__(self, max_minutes: float | None = None, evaluates: bool = False) -> None:
        self.limit, self.evaluates = None if max_minutes is None else 60 * max_minutes, evaluates
        self.before = 0.0
        self.elapsed = 0.0
        self.signal = 0  # that any process heard
        self._started = time.monotonic()
        self._group: Any = None
        self._asked: tuple[Any, torch.Tensor] | None = None

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"args": {}, "attributes": {"before": self.now()}}

    def now(self) -> float:
        return self.before + time.monotonic() - self._started

    def progress(self, step: int, max_steps: int) -> float:
        """The share of the training that is done, from 0 to 1: by steps or by time, whichever is further."""
        by_time = self.elapsed / self.limit if self.limit else 0.0
        return min(1.0, max(by_time, step / max_steps if max_steps > 0 else 0.0))

    def left(self, done: float) -> float:
        """Seconds until the end, when the share `done` took as long as it did; infinite before anything is done."""
        return self.now() * (1 - done) / done if done > 0 else float("inf")

    def on_train_begin(self, args, state, control, **kwargs):
        self._started = time.monotonic()
        self.elapsed = self.before
        if args.world_size > 1:
            self._group = torch.distributed.new_group(backend="gloo")

    def on_step_end(self, args, state, control, **kwargs):
        self.exchange(args)
        if self.signal or (self.limit is not None and self.elapsed >= self.limit):
            control.should_training_stop = True
            control.should_save = args.save_strategy != "no"
        due = control.should_evaluate or (self.evaluates and control.should_training_stop)
        control.should_evaluate = due and not self.signal

    def on_epoch_end(self, args, state, control, **kwargs):
        if self.signal:  # what was there to save is saved
            control.should_save = control.should_evaluate = False

    def on_train_end(self, args, state, control, **kwargs):
        self.exchange(args)
        self.read()

    def exchange(self, args: Any) -> None:
        """Time and signals: of this process when it is the only one, else of all, as they were at the step before."""
        signal = heard[0] if heard else 0
        if self._group is None:
            self.elapsed, self.signal = self.now(), signal
            return
        self.read()
        said = torch.tensor([self.now() if args.process_index == 0 else 0.0, signal], dtype=torch.float64)
        most = torch.distributed.ReduceOp.MAX
        self._asked = torch.distributed.all_reduce(said, most, self._group, async_op=True), said

    def read(self) -> None:
        if self._asked is not None:
            work, said = self._asked
            work.wait()
            self.elapsed, self.signal, self._asked = said[0].item(), int(said[1]), None


class TrainingLog(TrainerCallback):
    """One JSON object per Trainer log in `training_log.jsonl`, with `seconds` and `tokens`; what a resumed training does again is cut off first."""

    def __init__(self, folder: str | Path, clock: Clock, tokens: Callable[[], int]) -> None:
        self.path, self.clock, self.tokens = Path(folder) / LOG, clock, tokens

    def on_train_begin(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            for path in (self.path, self.path.with_name(SAMPLES)):
                kept = [line for line in read_lines(path) if line["step"] <= state.global_step]
                write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept))

    def on_log(self, args, state, control, logs=None, **kwargs):
        ended = "train_loss" in (logs or {})
        if state.is_world_process_zero and logs and not (ended and self.clock.signal):  # stopped is not ended
            line = {"step": state.global_step, "tokens": self.tokens(), "seconds": round(self.clock.now(), 2)}
            line |= {k: v for k, v in logs.items() if isinstance(v, (int, float))}
            append(self.path, line)


class Samples(TrainerCallback):
    """Has the model continue texts, or answer chat messages, at each evaluation: into `samples.jsonl`, and one line on the screen."""

    def __init__(self, folder: str | Path, tokenizer: Any, prompts: Any, max_new_tokens: int = 100) -> None:
        self.path, self.tokenizer = Path(folder) / SAMPLES, tokenizer
        self.prompts, self.max_new_tokens = prompts, max_new_tokens

    def on_evaluate(self, args, state, control, model=None, **kwargs):
        # A sharded model generates on all processes together: each has a part of the weights.
        sharded, first = is_sharded(), state.is_world_process_zero
        for number, prompt in enumerate(self.prompts if sharded or first else []):
            params = SamplingParams(args.seed + number, self.max_new_tokens, top_p=0.95)
            text = sample_text(model, self.tokenizer, prompt, params, synced_gpus=sharded)
            if first:
                append(self.path, {"step": state.global_step, "prompt": prompt, "completion": text})
                if number == 0:  # above the bar where there is one
                    begin = as_text(prompt) + ("" if isinstance(prompt, str) else " → ")
                    shown = "".join(c if c.isprintable() else " " for c in begin + text)
                    tqdm.write(f"    “{' '.join(shown.split())[:150]} …”")
                    sys.stdout.flush()


def append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def as_text(prompt: Any) -> str:
    """A prompt as a person reads it: of chat messages the last."""
    return prompt if isinstance(prompt, str) else str(prompt[-1]["content"])


def final_evaluation(trainer: Any) -> dict[str, float]:
    """The metrics of the model that is left: of the evaluation that fell on the last step, else (as for the best one) of a new one."""
    best = trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint is not None
    for entry in [] if best else reversed(trainer.state.log_history):
        if entry["step"] == trainer.state.global_step and "eval_loss" in entry:
            return entry
    return trainer.evaluate()


def is_sharded() -> bool:
    """Whether parameters are spread over processes (FSDP, DeepSpeed ZeRO-3)."""
    from accelerate.state import AcceleratorState
    from transformers.integrations import is_deepspeed_zero3_enabled

    engine = str(AcceleratorState().distributed_type) if AcceleratorState._shared_state else ""
    return is_deepspeed_zero3_enabled() or "FSDP" in engine


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a jsonl file; a torn last line and a missing file do not count."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        with suppress(ValueError):
            lines.append(json.loads(text))
    return lines
