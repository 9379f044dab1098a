"""Where does a training step on a CPU go, and what does each of ours take off it?

    python scripts/benchmarks/training_step.py [--sizes silly-2m] [--optimizer adamw] [--turns 8] [--release] [--profile]

One model in variants, each with one more of ours: as transformers has it (eager attention, logits in fp32), `+ loss` (the head with its
loss, `fused.LinearCrossEntropy`), `+ attention` (`blockwise`), `+ norms`, `+ positions` (rotary ones in bf16), `+ layers` (compiled one by
one); and `whole` (all of these, but compiled as one). Milliseconds of forward, backward, clipping and optimizer, medians of single steps in
turns through all variants in one process, which a drifting machine touches alike. Freed memory is kept for all
(`devices.keep_freed_memory`), with `--release` for none. `compiling` is the seconds until the third step. `--profile` adds the kernels of
the last variant.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import TrainingArguments

from silly_llm.core.container import Container
from silly_llm.core.devices import computes_in_bf16, keep_freed_memory
from silly_llm.training.kernels.compiling import compile_layers
from silly_llm.training.kernels.fused import LinearCrossEntropy, cast_positions, fuse_norms, hidden_states
from silly_llm.training.model.models import attention_of, build_model, model_config
from silly_llm.training.optim.base import OptimizerFactory

VARIANTS = ("transformers", "+ loss", "+ attention", "+ norms", "+ positions", "+ layers", "whole")
PARTS = ("forward", "backward", "clipping", "optimizer")
VOCABULARY = 2048
DOCUMENT = 128
"""Tokens of a document."""


class Contestant:
    """A model and its optimizer; `step` adds to the milliseconds of each part."""

    def __init__(self, size: str, variant: str, options: argparse.Namespace) -> None:
        level = VARIANTS.index(variant)
        config = model_config(size, vocab_size=VOCABULARY, max_length=options.length)
        self.model = build_model(
            config, 0, attn_implementation=attention_of(config, use_cpu=True) if level >= 2 else "eager"
        ).train()
        self.head = self.model.get_output_embeddings() if level >= 1 else None
        if level >= 3:
            fuse_norms(self.model)
        if level >= 4:
            cast_positions(self.model)
        if variant == "+ layers":
            compile_layers(self.model)
        self.call: Callable[..., Any] = torch.compile(self.model) if variant == "whole" else self.model
        args = TrainingArguments(output_dir="unused", use_cpu=True, learning_rate=1e-4)
        self.optimizer = (
            Container().build("optimizer", options.optimizer, as_type=OptimizerFactory).create(self.model, args)
        )
        self.product_dtype = torch.bfloat16 if computes_in_bf16(use_cpu=True) else torch.float32
        draw = torch.Generator().manual_seed(0)
        self.ids = torch.randint(VOCABULARY, (options.rows, options.length), generator=draw)
        self.positions = torch.arange(options.length).remainder(DOCUMENT).expand(options.rows, -1)
        self.milliseconds: dict[str, list[float]] = {part: [] for part in PARTS}

    def step(self) -> None:
        with self.timed("forward"):
            loss = self.loss()
        with self.timed("backward"):
            loss.backward()
        with self.timed("clipping"):
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        with self.timed("optimizer"):
            self.optimizer.step()
            self.optimizer.zero_grad()

    def loss(self) -> torch.Tensor:
        labels = self.ids.roll(-1, 1).flatten()
        given = {"input_ids": self.ids, "position_ids": self.positions, "use_cache": False}
        bf16 = self.product_dtype == torch.bfloat16
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            if self.head is None:
                return cross_entropy(self.call(**given).logits.flatten(0, 1).float(), labels)
            with hidden_states(self.head):
                hidden = self.call(**given).logits.flatten(0, 1)
            return LinearCrossEntropy.apply(hidden, self.head.weight, labels, self.product_dtype) / len(labels)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.milliseconds[part].append(1000 * (time.perf_counter() - began))

    def medians(self) -> list[float]:
        """Of the parts, and of the whole step."""
        whole = [sum(parts) for parts in zip(*self.milliseconds.values(), strict=True)]
        return [statistics.median(found) for found in (*self.milliseconds.values(), whole)]


def main() -> None:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["silly-300k", "silly-2m", "silly-6m", "silly-33m"])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=256, help="tokens of a row")
    parser.add_argument("--optimizer", default="adamw", help="adamw, muon …")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4, help="steps of a variant in a turn")
    parser.add_argument("--profile", action="store_true", help="the kernels of the last variant")
    parser.add_argument("--release", action="store_true", help="freed memory goes back to the system")
    options = parser.parse_args()
    if not options.release:
        keep_freed_memory()

    memory = "released" if options.release else "kept"
    print(
        f"{options.rows} x {options.length} tokens a step, {options.optimizer}, freed memory {memory}; medians in ms"
    )
    print(f"{'':<26}" + "".join(f"{part:>11}" for part in (*PARTS, "step")) + f"{'times':>7}{'compiling':>11}")
    for size in options.sizes:
        contestants: dict[str, Contestant] = {}
        warm_up: dict[str, float] = {}
        for variant in options.only:
            contestant = contestants[variant] = Contestant(size, variant, options)
            began = time.perf_counter()
            for _ in range(3):
                contestant.step()
            warm_up[variant] = time.perf_counter() - began
            contestant.milliseconds = {part: [] for part in PARTS}
        for _ in range(options.turns):
            for contestant in contestants.values():
                for _ in range(options.steps):
                    contestant.step()
        first = contestants[options.only[0]].medians()[-1]
        for variant, contestant in contestants.items():
            medians = contestant.medians()
            cells = "".join(f"{ms:>11.1f}" for ms in medians) + f"{first / medians[-1]:>7.2f}"
            compiled = f"{warm_up[variant]:>9.0f} s" if variant in ("+ layers", "whole") else ""
            print(f"{size:<12}{variant:<14}{cells}{compiled}", flush=True)
        if options.profile:
            profile(contestant)


def profile(contestant: Contestant) -> None:
    """Print the kernels that take longest."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        for _ in range(4):
            contestant.step()
    print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=20))


if __name__ == "__main__":
    main()
