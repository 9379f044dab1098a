"""Minimal pairs by `silly-llm evaluate`'s provider against a direct batched loop and, with --lm_eval, the harness: CPU seconds and share right.

    python scripts/benchmarks/minimal_pairs.py --model MODEL --dataset BLIMP [--limit 30] [--repeats 3] [--lm_eval]

All score the same sentences by the same model, in turns, in one process; CPU seconds, so that other work on the machine does not count. The direct loop sorts by length, pads on the right and takes
256 sentences at once. The harness gets a task of its own for each paradigm, whose `target_delimiter` is empty.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from silly_llm.core.container import Container
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData
from silly_llm.evaluation.models.causal import LanguageModel

TASK = """task: pairs_{uid}
dataset_path: json
dataset_kwargs: {{data_files: {{validation: {file}}}}}
output_type: multiple_choice
validation_split: validation
doc_to_text: ""
doc_to_target: 0
target_delimiter: ""
doc_to_choice: "{{{{[good, bad]}}}}"
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


@torch.inference_mode()
def direct(model: LanguageModel, texts: list[str], batch: int = 256) -> list[float]:
    """Nats of each text after begin-of-text."""
    encoded = model.tokenizer(texts, add_special_tokens=False)["input_ids"]
    ids = [[model.bos_token_id, *row] for row in encoded]
    order, nats = sorted(range(len(ids)), key=lambda i: len(ids[i])), [0.0] * len(ids)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        width = max(len(ids[i]) for i in rows)
        inputs = torch.tensor([ids[i] + [0] * (width - len(ids[i])) for i in rows], device=model.model.device)
        mask = torch.tensor([[1.0] * (len(ids[i]) - 1) + [0.0] * (width - len(ids[i])) for i in rows])
        logits = model.model(input_ids=inputs, use_cache=False).logits[:, :-1].float()
        losses = cross_entropy(logits.transpose(1, 2), inputs[:, 1:], reduction="none").cpu() * mask
        for i, total in zip(rows, losses.sum(1).tolist(), strict=True):
            nats[i] = total
    return nats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lm_eval", action="store_true")
    args = parser.parse_args()
    model = LanguageModel.load(args.model, name="model")
    container = Container().provide(EvaluationArguments, EvaluationArguments(model=args.model, dataset="none"))
    nothing = EvaluationData([], [])

    def build(**spec: Any) -> Any:
        provider: Any = container.build("evaluation_provider", spec)
        provider.prepare()
        return provider

    ours = build(type="minimal_pairs", dataset=args.dataset, limit=args.limit)
    pairs = ours.pairs

    def by_hand() -> float:
        nats = direct(model, [text for pair in pairs for text in (pair.good, pair.bad)])
        return sum(good < bad for good, bad in zip(nats[::2], nats[1::2], strict=True)) / len(pairs)

    contestants = {"ours": lambda: next(iter(ours.evaluate(model, nothing).values())).value, "direct loop": by_hand}
    with tempfile.TemporaryDirectory() as scratch:
        if args.lm_eval:
            for uid in dict.fromkeys(pair.paradigm for pair in pairs):
                file = Path(scratch, f"{uid}.jsonl")
                rows = [json.dumps({"good": p.good, "bad": p.bad}) for p in pairs if p.paradigm == uid]
                file.write_text("\n".join(rows), encoding="utf-8")
                file.with_suffix(".yaml").write_text(TASK.format(uid=uid, file=file), encoding="utf-8")
            harness = build(type="lm_eval", tasks=["pairs_*"], include_path=scratch, batch_size=256)
            contestants["lm-eval"] = lambda: statistics.mean(
                m.value for m in harness.evaluate(model, nothing).values()
            )
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(args.repeats):
            for name, run in contestants.items():
                start = time.process_time()
                right = run()
                seconds[name].append(time.process_time() - start)
                print(f"{name}: {right:.4f} right in {seconds[name][-1]:.1f} s", flush=True)
    base = seconds["direct loop"]
    for name, taken in seconds.items():
        ratio = statistics.median(mine / loop for mine, loop in zip(taken, base, strict=True))
        print(
            f"{name}: {2 * len(pairs):,} sentences, median {statistics.median(taken):.1f} s, {ratio:.2f} of the direct loop"
        )


if __name__ == "__main__":
    main()
