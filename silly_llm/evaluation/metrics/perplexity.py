"""How well a model predicts held-out text: bits per byte, and loss per token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider, Metric
from silly_llm.evaluation.metrics.statistics import ratio

if TYPE_CHECKING:
    from silly_llm.evaluation.model import LanguageModel


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

        scores = [
            score
            for score in tqdm(
                model.score(data.texts, self.settings.window),
                total=len(data.texts),
                desc=f"{model.name}: scoring",
                unit=" documents",
                disable=None,
            )
            if score.tokens
        ]
        nats = [score.nats for score in scores]
        details = {
            "window": self.settings.window,
            "context": model.context,
            "documents": len(scores),
            "tokens": sum(score.tokens for score in scores),
            "bytes": sum(score.bytes for score in scores),
            "documents_cut": sum(score.cut for score in scores),
            "unknown_tokens": sum(score.unknown for score in scores),
        }
        seed = self.settings.seed
        return {
            "bits_per_byte": ratio(nats, [s.bytes for s in scores], seed, 1 / math.log(2), **details),
            "loss": ratio(nats, [s.tokens for s in scores], seed),
        }
