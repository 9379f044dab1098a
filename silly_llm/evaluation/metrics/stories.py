"""The stories a model tells: whether they end, how varied they are, and how they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from silly_llm.core.registry import register
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
        settings, requests, ids = self.settings, data.requests, data.request_ids
        given = 0 if model.is_chat else settings.beginning_words
        asked_by = "instructions" if model.is_chat else f"the first {given} words of held-out stories"
        beginnings = [r.beginning for r in requests]
        prompts = [r.messages for r in requests] if model.is_chat else beginnings
        made = model.generate(prompts, settings.sampling, settings.seed)
        new = whole = [tokenize_words(g.text) for g in made]
        if not model.is_chat:
            whole = [tokenize_words(begin + g.text) for begin, g in zip(beginnings, made, strict=True)]
        return {
            "ends_by_itself": estimate(
                Units(ids, [float(g.ended) for g in made]), label=ENDS, share=True, asked_by=asked_by
            ),
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
            row = {
                "kind": "instruction",
                "prompt": r.instruction,
                "completion": made.text.strip(),
                "ended": made.ended,
            }
            row["words"] = {word: includes_word(made.text, word, data.language) for word in r.words}
            row["features"] = {feature: feature in found for feature in r.features if feature in known}
            rows.append(row)
        return rows


def ask(model: LanguageModel, request: StoryRequest) -> Any:
    """How a model is asked for a request: a tuned one through its chat template, a base one with the plain text."""
    return request.messages if model.is_chat else request.instruction + "\n\n"
