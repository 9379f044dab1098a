"""Whether a model's stories have what they were asked to have: words (rules of inflection) and features (detectors)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider, Metric, StoryRequest
from silly_llm.evaluation.metrics.completions import ask
from silly_llm.evaluation.metrics.statistics import clustered_share
from silly_llm.text.features import detect_features, features_known
from silly_llm.text.inflection import includes_word
from silly_llm.text.languages import ENGLISH

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


def words_included(pairs: Sequence[tuple[str, StoryRequest]], seed: int, language: str = ENGLISH) -> Metric:
    """Share of the requested words that the stories contain, inflected or not."""
    asking = [(text, request) for text, request in pairs if request.words]
    found = [sum(includes_word(text, word, language) for word in request.words) for text, request in asking]
    return clustered_share(found, [len(request.words) for _, request in asking], seed)


def features_included(pairs: Sequence[tuple[str, StoryRequest]], seed: int, language: str = ENGLISH) -> Metric:
    """Share of the requested features that rules find in the stories; `by_feature` also says how often they are found
    in stories that did not ask for them. Only features whose rules know the language count."""
    known = features_known(language)
    asking = [
        (detect_features(text, known), asked)
        for text, request in pairs
        if (asked := set(request.features).intersection(known) if language != ENGLISH else set(request.features))
    ]
    by_feature = {}
    for feature in known:
        with_it = [feature in found for found, asked in asking if feature in asked]
        without = [feature in found for found, asked in asking if feature not in asked]
        by_feature[feature] = {
            "asked": len(with_it),
            "found": sum(with_it),
            "not_asked": len(without),
            "found_although_not_asked": sum(without),
        }
    return clustered_share(
        [len(found & asked) for found, asked in asking],
        [len(asked) for _, asked in asking],
        seed,
        by_feature=by_feature,
    )
