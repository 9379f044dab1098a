"""The stories a model tells: whether they end, how varied they are, and how they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from silly_llm.core.registry import register
from silly_llm.core.sampling import Generation
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import (
    TELLING,
    VARIETY,
    EvaluationData,
    EvaluationProvider,
    Label,
    Metric,
    StoryRequest,
    Units,
    estimate,
)
from silly_llm.evaluation.metrics.statistics import distinct, openings
from silly_llm.text.features import detect_features, features_known
from silly_llm.text.inflection import includes_word
from silly_llm.text.words import tokenize_words

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import LanguageModel


ENDS = Label("Ends by itself", TELLING, "stories that stop before the token limit", True, True)
LENGTH = Label("Words per story", TELLING)
DISTINCT = {1: Label("Distinct words", VARIETY, "of all words in all stories", percent=True)} | {
    k: Label(f"Distinct {k}-grams", VARIETY, percent=True) for k in (2, 3, 4)
}
OPENING = Label("Most common opening", VARIETY, "share of stories that begin with the same five words", percent=True)


@register("evaluation_provider", "completions")
class Completions(EvaluationProvider):
    """How often sampled stories end by themselves, their length, distinct n-grams and openings.

    A base model continues the first words of held-out stories, a tuned one answers instructions. Openings are counted
    over the whole story; for a base model the given words are part of it.
    """

    def __init__(self, settings: EvaluationArguments) -> None:
        self.settings = settings

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        ids, given = data.request_ids, 0 if model.is_chat else self.settings.beginning_words
        asked_by = "instructions" if model.is_chat else f"the first {given} words of held-out stories"
        made = told(model, data, self.settings)
        new = [tokenize_words(generation.text) for _, generation in made]
        whole = [tokenize_words(begin + generation.text) for begin, generation in made]
        ended = Units(ids, [float(generation.ended) for _, generation in made])
        return {
            "ends_by_itself": estimate(ended, label=ENDS, share=True, asked_by=asked_by),
            "story_words": estimate(Units(ids, [len(words) for words in whole]), label=LENGTH),
            **{f"distinct_{k}": distinct(ids, new, k, label=label) for k, label in DISTINCT.items()},
            "top_opening": openings(ids, whole, label=OPENING, given_words=given),
        }

    def samples(self, model: LanguageModel, data: EvaluationData) -> list[dict[str, Any]]:
        """The same beginnings, as raw text, and the same instructions for every model."""
        settings, requests = self.settings, data.requests[: self.settings.num_samples]
        rows: list[dict[str, Any]] = []
        begun = model.generate([r.beginning for r in requests], settings.sampling, settings.seed)
        for r, made in zip(requests, begun, strict=True):
            rows.append({"kind": "beginning", "prompt": r.beginning, "completion": made.text, "ended": made.ended})
        answers = model.generate([ask(model, r) for r in requests], settings.sampling, settings.seed)
        for r, made in zip(requests, answers, strict=True):
            found, known = detect_features(made.text), features_known(data.language)
            text = {"prompt": r.instruction, "completion": made.text.strip(), "ended": made.ended}
            words = {word: includes_word(made.text, word, data.language) for word in r.words}
            features = {feature: feature in found for feature in r.features if feature in known}
            rows.append({"kind": "instruction", **text, "words": words, "features": features})
        return rows


def told(model: LanguageModel, data: EvaluationData, settings: EvaluationArguments) -> list[tuple[str, Generation]]:
    """The story of each request, as the words that were given of it and what the model wrote: a tuned model's answers, with nothing given."""
    before = ["" if model.is_chat else r.beginning for r in data.requests]
    prompts = [r.messages for r in data.requests] if model.is_chat else before
    return list(zip(before, model.generate(prompts, settings.sampling, settings.seed), strict=True))


def ask(model: LanguageModel, request: StoryRequest) -> Any:
    """How a model is asked for a request: a tuned one through its chat template, a base one with the plain text."""
    return request.messages if model.is_chat else request.instruction + "\n\n"
