"""What pretraining and tuning share beside the Trainer: the clock, the log, samples, checkpoints to resume from."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState

from silly_llm.errors import RunError
from silly_llm.output import write_text

LOG = "training_log.jsonl"
SAMPLES = "samples.jsonl"
LABELS = ("_name_or_path", "dtype", "transformers_version")
"""What a configuration says beside what its model is."""


class Clock(TrainerCallback, ExportableState):
    """Seconds of training, over all attempts; stops at `max_minutes`. Every process sees the first one's clock.

    Args:
        max_minutes: the limit; `None` only counts.
    """

    def __init__(self, max_minutes: float | None = None) -> None:
        self.limit = None if max_minutes is None else 60 * max_minutes
        self.before = 0.0
        self.elapsed = 0.0
        self._started = time.monotonic()

    @property
    def stateful(self) -> dict[str, Any]:
        return {"before": self.elapsed}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"args": {}, "attributes": {"before": self.now()}}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Clock:
        clock = cls()
        clock.before = clock.elapsed = state["attributes"]["before"]
        return clock

    def now(self) -> float:
        return self.before + time.monotonic() - self._started

    def progress(self, step: int, max_steps: int) -> float:
        """The share of the training that is done, from 0 to 1: by steps or by time, whichever is further."""
        by_time = self.elapsed / self.limit if self.limit else 0.0
        return min(1.0, max(by_time, step / max_steps if max_steps > 0 else 0.0))

    def left(self, done: float) -> float:
        """Seconds until the end, when the share `done` took as long as it did; infinite before anything is done."""
        return self.now() * (1 - done) / done if done > 0 else float("inf")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._started = time.monotonic()
        self.elapsed = self.before

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.elapsed = self.now()
        if args.world_size > 1:
            shared = torch.tensor([self.elapsed], dtype=torch.float64, device=args.device)
            torch.distributed.broadcast(shared, src=0)
            self.elapsed = shared.item()
        if self.limit is not None and self.elapsed >= self.limit:
            control.should_training_stop = True
            control.should_save = args.save_strategy != "no"


class EvaluateAtEnd(TrainerCallback):
    """Evaluates after the last step, whatever `eval_strategy` is: within the training, so that trackers have it in the same run.

    Stands after whatever may end the training.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        control.should_evaluate = control.should_evaluate or control.should_training_stop


class TrainingLog(TrainerCallback):
    """One JSON object per Trainer log in `training_log.jsonl`; what a resumed training does again is cut off first.

    Args:
        folder: the model folder.
        clock: gives `seconds`.
        tokens: tokens seen, from the Trainer's state.
    """

    def __init__(self, folder: str | Path, clock: Clock, tokens: Callable[[TrainerState], int]) -> None:
        self.path, self.clock, self.tokens = Path(folder) / LOG, clock, tokens

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if state.is_world_process_zero:
            for path in (self.path, self.path.with_name(SAMPLES)):
                kept = [line for line in read_lines(path) if line["step"] <= state.global_step]
                write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Any = None,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero and logs:
            line = {
                "step": state.global_step,
                "tokens": self.tokens(state),
                "seconds": round(self.clock.now(), 2),
            }
            line |= {k: v for k, v in logs.items() if isinstance(v, (int, float))}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


class Samples(TrainerCallback):
    """Has the model tell a short story at each evaluation: into `samples.jsonl`, and one line on the screen.

    Args:
        folder: the model folder.
        tokenizer: the model's.
        prompts: text to continue, or chat messages to answer.
        max_new_tokens: length of a sample.
    """

    def __init__(
        self, folder: str | Path, tokenizer: Any, prompts: list[Any], max_new_tokens: int = 100
    ) -> None:
        self.path, self.tokenizer = Path(folder) / SAMPLES, tokenizer
        self.prompts, self.max_new_tokens = prompts, max_new_tokens

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        # A model in shards speaks on all processes together: each has a part of the weights.
        sharded, first = is_sharded(), state.is_world_process_zero
        for number, prompt in enumerate(self.prompts if sharded or first else []):
            text = tell(
                model,
                self.tokenizer,
                prompt,
                max_new_tokens=self.max_new_tokens,
                seed=args.seed + number,
                synced_gpus=sharded,
            )
            if not first:
                continue
            with self.path.open("a", encoding="utf-8") as file:
                line = {"step": state.global_step, "prompt": prompt, "completion": text}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            if number == 0:
                show_sample(prompt, text)


def show_sample(prompt: Any, text: str) -> None:
    """One line on the screen, above the bar where there is one."""
    from tqdm.auto import tqdm

    begin = prompt if isinstance(prompt, str) else f"{prompt[-1]['content']} → "
    shown = "".join(c if c.isprintable() else " " for c in begin + text)
    tqdm.write(f"    “{' '.join(shown.split())[:150]} …”")
    sys.stdout.flush()


def tell(
    model: Any, tokenizer: Any, prompt: Any, *, max_new_tokens: int, seed: int, synced_gpus: bool = False
) -> str:
    """Sample one text from a model in training, which it leaves as it was; random numbers of the training stay unused.

    With `synced_gpus` all processes sample it at once, and none stops before the last.
    """
    if isinstance(prompt, str):
        inputs = tokenizer(prompt, return_tensors="pt")
        inputs.pop("token_type_ids", None)
    else:
        inputs = tokenizer.apply_chat_template(
            prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
    inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
    length = inputs["input_ids"].shape[1]
    room = model.config.max_position_embeddings - length
    if room < 1:
        return ""
    training = model.training
    model.eval()
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        output = model.generate(
            **inputs,
            max_new_tokens=min(max_new_tokens, room),
            max_length=None,
            do_sample=True,
            temperature=0.8,
            top_p=0.95,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            synced_gpus=synced_gpus,
        )
    model.train(training)
    return tokenizer.decode(output[0, length:], skip_special_tokens=True)


def final_evaluation(trainer: Any) -> dict[str, float]:
    """The metrics after the last step: those of the evaluation that fell on it, else of a new one."""
    for entry in reversed(trainer.state.log_history):
        if entry["step"] == trainer.state.global_step and "eval_loss" in entry:
            return entry
    return trainer.evaluate()


def is_sharded() -> bool:
    """Whether parameters are spread over processes (FSDP, DeepSpeed ZeRO-3)."""
    from accelerate.state import AcceleratorState
    from transformers.integrations import is_deepspeed_zero3_enabled

    engine = str(AcceleratorState().distributed_type) if AcceleratorState._shared_state else ""
    return is_deepspeed_zero3_enabled() or "FSDP" in engine


def last_checkpoint(folder: str | Path) -> str | None:
    """The newest whole checkpoint of an interrupted training; `trainer_state.json`, which is written last, tells.

    One that was being written when the process died is passed over, and removed by the first process.
    """
    import os

    found = sorted(Path(folder).glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(found):
        try:
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            return str(path)
        except (OSError, ValueError):
            if int(os.environ.get("RANK", "0")) == 0:
                shutil.rmtree(path, ignore_errors=True)
    return None


def check_checkpoint(folder: str | Path, model: Any) -> None:
    """A checkpoint is of the model that is about to continue from it.

    Raises:
        RunError: its configuration has another architecture or other sizes.
    """
    saved = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    now = json.loads(model.config.to_json_string(use_diff=False))
    for key in ("model_type", *sorted(now)):
        there, here = saved.get(key, now.get(key)), now.get(key)
        if (
            isinstance(here, (int, str))
            and not isinstance(here, bool)
            and there != here
            and key not in LABELS
        ):
            raise RunError(
                f"{folder} is of another model: {key} is {there} there, {here} here; remove it to begin anew"
            )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a jsonl file; a torn last line and a missing file do not count."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines
