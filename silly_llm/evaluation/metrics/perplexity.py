"""How well a model predicts held-out text: bits per byte, and loss per token."""

from __future__ import annotations

import math
from functools import partial
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

        window, seed = self.settings.window, self.settings.seed
        bar = partial(tqdm, total=len(data.texts), desc=f"{model.name}: scoring", unit=" documents", disable=None)
        scores = [score for score in bar(model.score(data.texts, window)) if score.tokens]
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
        bits = ratio(nats, sizes, seed, 1 / math.log(2), **details)
        return {"bits_per_byte": bits, "loss": ratio(nats, tokens, seed)}
