"""How well a model predicts held-out text: bits per byte, and loss per token."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import PREDICTING, EvaluationData, EvaluationProvider, Label, Metric
from silly_llm.evaluation.metrics.statistics import Units, estimate

if TYPE_CHECKING:
    from silly_llm.evaluation.model import LanguageModel

BITS_PER_BYTE = Label("Bits per byte", PREDICTING, "lower is better; compares any two models", False)
LOSS = Label("Loss per token", PREDICTING, "nats; compares models with the same tokenizer")


@register("evaluation_provider", "perplexity")
class Perplexity(EvaluationProvider):
    """Bits per byte and loss per token of untouched held-out text, documents apart.

    `bits_per_byte` compares models with different tokenizers; `loss` (nats per token of the text; end-of-text is not
    predicted) only models with the same one. Base and tuned models alike read the raw text after begin-of-text.
    """

    def __init__(self, settings: EvaluationArguments) -> None:
        self.settings = settings

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        from tqdm.auto import tqdm

        window = self.settings.window
        bar = partial(tqdm, total=len(data.texts), desc=f"{model.name}: scoring", unit=" documents", disable=None)
        scored = zip(data.document_ids, bar(model.score(data.texts, window)), strict=True)
        ids, scores = zip(*((name, score) for name, score in scored if score.tokens), strict=True)
        nats, tokens, sizes = ([getattr(s, key) for s in scores] for key in ("nats", "tokens", "bytes"))
        details = {
            "window": window,
            "context": model.context,
            "documents": len(scores),
            "tokens": sum(tokens),
            "bytes": sum(sizes),
            "documents_cut": sum(s.cut for s in scores),
            "unknown_tokens": sum(s.unknown for s in scores),
        }
        bits = Units(ids, [n / math.log(2) for n in nats], sizes)
        return {
            "bits_per_byte": estimate(bits, label=BITS_PER_BYTE, **details),
            "loss": estimate(Units(ids, nats, tokens), label=LOSS),
        }
