"""How fast does a small model train? Ours beside a bare PyTorch loop and a plain `Trainer`, in one run.

    python scripts/benchmarks/pretraining.py --text stories.jsonl [--sizes silly-300k silly-2m] [--steps 60] [--rounds 3] [--beside FOLDER]
        [--compile]

The same model, tokens, batch, optimizer (fused AdamW) and precision (bf16 autocast where the device computes in bf16) for all; each
contestant is a process of its own, in turn, for several rounds, of which the median counts. `bare` is the loop one writes by hand over
the same rows; `trainer` is `transformers.Trainer` as in the library's run_clm example (concatenated rows, no isolation); `ours` is
`silly-llm pretrain` with its layers compiled, as it trains on CPUs for more than some minutes, and `eager` the same with nothing compiled;
`spread` is `eager` by `accelerate launch`, a process of one thread for each core as far as the rows of a batch divide (CPUs only);
`llama2c` and `nanogpt` are the loops of checkouts in the folder `--beside` (other_loops.py; they are never part of the project). With
`--compile` the others compile their models by `torch.compile`, in the way that each loop has. Tokens/s leave the first steps out, and so
the compilation. MFU is over the ceiling that `silly_llm.training.flops` knows or measures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

CONTESTANTS = ("bare", "trainer", "llama2c", "nanogpt", "eager", "spread", "ours")
OURS = ("eager", "spread", "ours")
ROOT = Path(__file__).parents[2]
VOCABULARY = 2048
LENGTH = 256
ROWS = 8
WARM_UP = 10


def prepare(text: Path, folder: Path) -> None:
    """A tokenizer and, for those that do not pack, its concatenated tokens."""
    from datasets import load_dataset

    from silly_llm.training.corpus.tokenizer import TokenizerConfig, train_tokenizer

    texts = load_dataset("json", data_files=str(text), split="train")["text"]
    tokenizer = train_tokenizer(texts, TokenizerConfig(vocab_size=VOCABULARY), max_length=LENGTH)
    tokenizer.save_pretrained(folder / "tokenizer")
    tokens: list[int] = []
    for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]:
        tokens += [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
    whole = len(tokens) // LENGTH * LENGTH
    np.save(folder / "tokens.npy", np.array(tokens[:whole], np.int64).reshape(-1, LENGTH))


def model_of(size: str, attention: str) -> Any:
    from silly_llm.training.model.models import build_model, model_config

    return build_model(model_config(size, vocab_size=VOCABULARY, max_length=LENGTH), 0, attn_implementation=attention)


def bare(size: str, steps: int, folder: Path, text: Path, compiled: bool) -> float:
    """Tokens a second of a loop by hand."""
    import torch
    from torch.nn.functional import cross_entropy

    from silly_llm.core.devices import computes_in_bf16

    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = torch.from_numpy(np.load(folder / "tokens.npy"))
    model = model_of(size, "sdpa").to(device).train()
    if compiled:
        model = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    draw, began = torch.Generator().manual_seed(0), 0.0
    for step in range(steps):
        if step == WARM_UP:
            synchronize(device)
            began = time.perf_counter()
        batch = rows[torch.randint(len(rows), (ROWS,), generator=draw)].to(device)
        with torch.autocast(device, torch.bfloat16, enabled=computes_in_bf16(device == "cpu")):
            logits = model(input_ids=batch, use_cache=False).logits
        loss = cross_entropy(logits[:, :-1].flatten(0, 1).float(), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    synchronize(device)
    return (steps - WARM_UP) * ROWS * LENGTH / (time.perf_counter() - began)


def trainer(size: str, steps: int, folder: Path, text: Path, compiled: bool) -> float:
    """Tokens a second of a plain `Trainer`."""
    import torch
    from datasets import Dataset
    from transformers import Trainer, TrainerCallback, TrainingArguments, default_data_collator

    from silly_llm.core.devices import computes_in_bf16

    times: dict[int, float] = {}

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            times[state.global_step] = time.perf_counter()

    rows = np.load(folder / "tokens.npy")
    cpu = not torch.cuda.is_available()
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"),
        max_steps=steps,
        per_device_train_batch_size=ROWS,
        learning_rate=1e-3,
        bf16=computes_in_bf16(cpu),
        use_cpu=cpu,
        optim="adamw_torch_fused",
        torch_compile=compiled,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    Trainer(
        model=model_of(size, "sdpa"),
        args=arguments,
        train_dataset=Dataset.from_dict({"input_ids": rows, "labels": rows}),
        data_collator=default_data_collator,
        callbacks=[Watch()],
    ).train()
    return (steps - WARM_UP) * ROWS * LENGTH / (times[steps] - times[WARM_UP])


def ours(size: str, steps: int, folder: Path, text: Path, compiled: bool) -> float:
    """Tokens a second of `silly-llm pretrain` with compiled layers, from its own log."""
    return pretrain(size, steps, folder, text, compile_layers=True)


def eager(size: str, steps: int, folder: Path, text: Path, compiled: bool) -> float:
    """Tokens a second of `silly-llm pretrain` with nothing compiled."""
    return pretrain(size, steps, folder, text, compile_layers=False)


def pretrain(size: str, steps: int, folder: Path, text: Path, *, compile_layers: bool) -> float:
    from silly_llm.training.pretrain import main

    main(options_of_ours(size, steps, folder, text, compile_layers))
    return rate_of_ours(folder / "ours")


def spread(size: str, steps: int, folder: Path, text: Path, compiled: bool) -> float:
    """Tokens a second of the same with a process of one thread for each core."""
    command = [sys.executable, "-m", "accelerate.commands.launch"]
    command += ["--config_file", str(ROOT / "accelerate_configs" / "multi_cpu.yaml")]
    processes = max(n for n in range(1, ROWS + 1) if ROWS % n == 0 and n <= (os.cpu_count() or 1))
    command += ["--num_processes", str(processes), "--num_cpu_threads_per_process", "1"]
    command += ["--main_process_port", "0", str(ROOT / "scripts" / "pretrain.py")]
    command += options_of_ours(size, steps, folder, text, compile_layers=False)
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return rate_of_ours(folder / "ours")


def options_of_ours(size: str, steps: int, folder: Path, text: Path, compile_layers: bool) -> list[str]:
    options = {
        "dataset": text,
        "tokenizer": folder / "tokenizer",
        "model": size,
        "max_length": LENGTH,
        "tokens_per_step": ROWS * LENGTH,
        "max_steps": steps,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "logging_steps": WARM_UP,
        "eval_strategy": "no",
        "save_strategy": "no",
        "max_eval_documents": 8,
        "compile_layers": compile_layers,
        "output_dir": folder / "ours",
    }
    return [str(token) for key, value in options.items() for token in (f"--{key}", value)]


def rate_of_ours(output: Path) -> float:
    """Tokens a second after the first log, by the log's own clock."""
    log = [json.loads(line) for line in (output / "training_log.jsonl").read_text().splitlines()]
    first, last = ([entry for entry in log if "loss" in entry][i] for i in (0, -1))
    return (last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"])


def llama2c(size: str, steps: int, folder: Path, text: Path, compiled: bool) -> float:
    """Tokens a second of llama2.c's loop."""
    return beside("llama2.c", size, steps, folder, compiled)


def nanogpt(size: str, steps: int, folder: Path, text: Path, compiled: bool) -> float:
    """Tokens a second of nanoGPT's loop."""
    return beside("nanoGPT", size, steps, folder, compiled)


def beside(name: str, size: str, steps: int, folder: Path, compiled: bool) -> float:
    import other_loops
    import torch

    from silly_llm.core.devices import computes_in_bf16

    loop = {"llama2.c": other_loops.llama2c, "nanoGPT": other_loops.nanogpt}[name]
    rows, bf16 = np.load(folder / "tokens.npy"), computes_in_bf16(not torch.cuda.is_available())
    checkout, model = folder / "beside" / name, model_of(size, "sdpa")
    return loop(checkout, folder, rows, model, steps, ROWS, WARM_UP, bf16, compiled)


def synchronize(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def race(options: argparse.Namespace) -> None:
    """Prepare, run every contestant in turn, print the table."""
    import torch

    from silly_llm.core.devices import computes_in_bf16
    from silly_llm.training.flops import ceiling, training_flops_per_token

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if computes_in_bf16(device.type == "cpu") else torch.float32
    with tempfile.TemporaryDirectory(prefix="pretraining-") as name:
        folder, text = Path(name), Path(options.text).resolve()
        prepare(text, folder)
        if options.beside:
            (folder / "beside").symlink_to(options.beside.resolve())
        best, source = ceiling(device, dtype)
        print(
            f"ceiling: {best / 1e9:,.0f} GFLOP/s ({source}); {ROWS} x {LENGTH} tokens a step, {options.steps} steps, {options.rounds} rounds"
            f"{', others compiled' if options.compile else ''}"
        )
        print(f"{'':<12}{'':<10}{'tokens/s':>10}{'MFU':>7}{'of Trainer':>12}{'of the fastest other':>22}")
        for size in options.sizes:
            cost = training_flops_per_token(model_of(size, "eager"), LENGTH)
            rates: dict[str, list[float]] = {contestant: [] for contestant in options.only}
            for _ in range(options.rounds):
                for contestant in options.only:
                    command = [sys.executable, __file__, "--contestant", contestant, "--sizes", size]
                    command += ["--steps", str(options.steps), "--folder", str(folder), "--text", str(text)]
                    command += ["--compile"] if options.compile else []
                    done = subprocess.run(command, capture_output=True, text=True)
                    if done.returncode:
                        sys.exit(f"{contestant}: {done.stderr[-2000:]}")
                    rates[contestant].append(json.loads(done.stdout.splitlines()[-1]))
            median = {contestant: statistics.median(found) for contestant, found in rates.items()}
            fastest = max((rate for name, rate in median.items() if name not in OURS), default=None)
            for contestant, rate in median.items():
                of = [f"{rate / other:.2f}" if other else "-" for other in (median.get("trainer"), fastest)]
                mfu = rate * cost / best
                print(f"{size:<12}{contestant:<10}{rate:>10,.0f}{mfu:>7.1%}{of[0]:>12}{of[1]:>22}", flush=True)


def main() -> None:
    """Race, or run as one contestant."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, help="JSON lines with a column text")
    parser.add_argument("--sizes", nargs="+", default=["silly-300k", "silly-2m", "silly-6m", "silly-33m"])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, help="default: all there are")
    parser.add_argument("--beside", type=Path, help="folder with checkouts of llama2.c and nanoGPT")
    parser.add_argument("--compile", action="store_true", help="the others by torch.compile")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        # The output folder of ours must be new each time.
        with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
            for shared in ("tokenizer", "tokens.npy", "beside"):
                (Path(scratch) / shared).symlink_to(options.folder / shared)
            run = globals()[options.contestant]
            size, text = options.sizes[0], Path(options.text)
            print(json.dumps(run(size, options.steps, Path(scratch), text, options.compile)))
    else:
        absent = [] if options.beside else ["llama2c", "nanogpt"]
        absent += ["spread"] if torch.cuda.is_available() else []
        there = [c for c in CONTESTANTS if c not in absent]
        options.only = options.only or there
        race(options)


if __name__ == "__main__":
    main()
