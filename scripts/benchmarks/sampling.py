"""Texts of `core/sampling.py` against plain batched `generate(do_sample=True)`, in turns in one process.

    python scripts/benchmarks/sampling.py MODEL [MODEL …] [--batches 50 100] [--texts 200] [--turns 3]

MODEL is a folder, such as `../shared/models/stories260K` or `runs/quickstart/pretrain`. Both continue the same prompts of one to three words
at temperature 0.8 to the end of the context; `generate` in batches of prompts of about the same length. Rates are tokens of the texts (up
to their end) per second of CPU time, or of wall time on an accelerator: the draws differ, so the texts do. `--same` counts the texts that
differ between batches of 1, 7, 20 and the first size instead.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from silly_llm.core.sampling import SamplingParams, end_tokens, positions_of, sample

BEGINNINGS = ("Once upon a", "One day, a", "Tom and Sue", "There was", "Lily")
TEMPERATURE = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--batches", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--same", action="store_true", help="count texts that another batch changes")
    options = parser.parse_args()
    for path in options.models:
        model: Any = AutoModelForCausalLM.from_pretrained(path).eval()
        model.to(torch.accelerator.current_accelerator(check_available=True) or "cpu")
        tokenizer = AutoTokenizer.from_pretrained(path)
        encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in BEGINNINGS]
        prompts = [[model.config.bos_token_id, *encoded[i % len(encoded)]] for i in range(options.texts)]
        if options.same:
            same(path, model, tokenizer, prompts, options.batches[0])
            continue
        for batch in options.batches:
            rates: dict[str, list[float]] = {"generate": [], "ours": []}
            for turn in range(options.turns):
                for name, run in {"generate": plain, "ours": ours}.items():
                    start = clock(model)
                    tokens = run(model, tokenizer, prompts, batch, turn)
                    rates[name].append(tokens / (clock(model) - start))
            ratios = [a / b for a, b in zip(rates["ours"], rates["generate"], strict=True)]
            both = ", ".join(f"{name} {statistics.median(r):,.0f} tokens/s" for name, r in rates.items())
            print(f"{path}: batch {batch}: {both}: {statistics.median(ratios):.2f} times ({min(ratios):.2f} at least)")


def clock(model: Any) -> float:
    if model.device.type == "cpu":
        return time.process_time()
    torch.accelerator.synchronize()
    return time.perf_counter()


def ours(model: Any, tokenizer: Any, prompts: list[list[int]], batch: int, seed: int) -> int:
    context = positions_of(model)
    params = [SamplingParams(seed * len(prompts) + i, context, TEMPERATURE) for i in range(len(prompts))]
    return sum(made.tokens for made in sample(model, tokenizer, prompts, params, batch_size=batch, context=context))


@torch.inference_mode()
def plain(model: Any, tokenizer: Any, prompts: list[list[int]], batch: int, seed: int) -> int:
    torch.manual_seed(seed)
    ends, pad, tokens = set(end_tokens(model, tokenizer)), tokenizer.pad_token_id or 0, 0
    ordered = sorted(prompts, key=len)
    for start in range(0, len(ordered), batch):
        rows = ordered[start : start + batch]
        width = max(map(len, rows))
        output = model.generate(
            input_ids=torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=model.device),
            attention_mask=torch.tensor([[0] * (width - len(r)) + [1] * len(r) for r in rows], device=model.device),
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            max_new_tokens=positions_of(model) - width,
            max_length=None,
            pad_token_id=pad,
            use_cache=True,
        )
        for row in output[:, width:].tolist():
            tokens += next((i for i, token in enumerate(row) if token in ends), len(row))
    return tokens


def same(path: str, model: Any, tokenizer: Any, prompts: list[list[int]], batch: int) -> None:
    context = positions_of(model)
    params = [SamplingParams(seed, context, TEMPERATURE) for seed in range(len(prompts))]
    expected = sample(model, tokenizer, prompts, params, batch_size=batch, context=context)
    for other in (20, 7, 1):
        made = sample(model, tokenizer, prompts, params, batch_size=other, context=context)
        differ = sum(a != b for a, b in zip(made, expected, strict=True))
        print(f"{path}: batch {other}: {differ} of {len(made)} texts differ from those of batch {batch}", flush=True)


if __name__ == "__main__":
    main()
