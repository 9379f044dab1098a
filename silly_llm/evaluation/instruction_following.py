"""Whether a model's stories have what they were asked to have: words (rules of inflection) and features (detectors)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.base import EvaluationData, EvaluationProvider, Metric
from silly_llm.evaluation.completions import ask
from silly_llm.registry import register

if TYPE_CHECKING:
    from silly_llm.evaluation.model import LanguageModel


@register("evaluation_provider", "instruction_following")
class InstructionFollowing(EvaluationProvider):
    """Share of requested words and features that the stories contain.

    A tuned model is asked through its chat template; a base model, which has not learned to follow anything, with the
    same instruction as plain text: its share is what chance gives.
    """

    def __init__(self, settings: EvaluationArguments) -> None:
        self.settings = settings

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        from silly_llm.evaluation.held_out import features_included, words_included

        settings = self.settings
        # A tuned model has already answered all of them for `completions`; a base model is asked only what counts.
        requests = [r for r in data.requests if model.is_chat or r.words or r.features]
        made = model.generate([ask(model, r) for r in requests], settings.sampling, settings.seed)
        pairs = [(generation.text, request) for generation, request in zip(made, requests, strict=True)]
        metrics = {
            "words_included": words_included(pairs, settings.seed, data.language),
            "features_included": features_included(pairs, settings.seed, data.language),
        }
        asked_by = "the chat template" if model.is_chat else "plain text (a base model: chance level)"
        return {
            name: replace(metric, details={**metric.details, "asked_by": asked_by})
            for name, metric in metrics.items()
            if metric.n
        }
