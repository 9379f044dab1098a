"""Does the best learning rate stay where it is when a model gets wider? With `base_width` beside plain training, by `silly-llm pretrain`.

    python scripts/benchmarks/width_transfer.py --text stories.jsonl --eval_text held-out.jsonl [--widths 64 256]

Trains every width at every rate, once as it is and once with `base_width` (the first width, where both are the same), and prints bits per byte on
held-out text. Heads are 16 wide everywhere, so a wider model has more of them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
from pathlib import Path

ROW = 128


def bits_per_byte(options: argparse.Namespace, width: int, rate: float, scaled: bool, folder: Path) -> float:
    """Of one training."""
    from silly_llm.training.pretrain import main

    model = {
        "hidden_size": width,
        "num_hidden_layers": options.layers,
        "num_attention_heads": width // 16,
        "intermediate_size": 3 * width,
    }
    keys = {
        "dataset": options.text,
        "eval_dataset": options.eval_text,
        "max_eval_documents": 100,
        "tokenizer": json.dumps({"vocab_size": 1024}),
        "model": json.dumps(model),
        "max_length": ROW,
        "tokens_per_step": 16 * ROW,
        "max_steps": options.steps,
        "optimizer": options.optimizer,
        "learning_rate": rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": 0.1,
        "adam_beta2": 0.95,
        "seed": options.seed,
        "eval_strategy": "no",
        "save_strategy": "no",
        "sample_prompts": "[]",
        "output_dir": folder / f"{width}-{rate}-{scaled}",
    } | ({"base_width": options.widths[0]} if scaled else {})
    with contextlib.redirect_stdout(io.StringIO()):
        main([f"--{key}={value}" for key, value in keys.items()])
    return json.loads((Path(keys["output_dir"]) / "provenance.json").read_text())["metrics"]["bits_per_byte"]


def main() -> None:
    """Print a row for each width, with and without."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", required=True, type=Path, help="JSON lines with a column text")
    parser.add_argument("--eval_text", required=True, type=Path, help="the same, held out")
    parser.add_argument("--widths", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--rates", nargs="+", type=float, default=[2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2])
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--optimizer", default="adamw")
    options = parser.parse_args()
    options.text, options.eval_text = options.text.resolve(), options.eval_text.resolve()

    print(f"{'width':>6}{'base_width':>12}" + "".join(f"{rate:>9g}" for rate in options.rates))
    with tempfile.TemporaryDirectory(prefix="width-") as folder:
        for width in options.widths:
            for scaled in (False,) if width == options.widths[0] else (False, True):
                bits = [bits_per_byte(options, width, rate, scaled, Path(folder)) for rate in options.rates]
                best = min(bits)
                cells = "".join(f"{b:>8.3f}{'*' if b == best else ' '}" for b in bits)
                print(f"{width:>6}{options.widths[0] if scaled else '-':>12}{cells}", flush=True)


if __name__ == "__main__":
    main()
