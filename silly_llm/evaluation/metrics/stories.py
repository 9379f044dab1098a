"""The stories a model tells: whether they end, how varied they are, how they begin, and whether they have what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import (
    FOLLOWING,
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
from silly_llm.text.languages import ENGLISH
from silly_llm.text.words import tokenize_words

if TYPE_CHECKING:
    from silly_llm.evaluation.model import LanguageModel


ENDS = Label("Ends by itself", TELLING, "stories that stop before the token limit", True, True)
LENGTH = Label("Words per story", TELLING)
DISTINCT = {1: Label("Distinct words", VARIETY, "of all words in all stories", percent=True)} | {
    k: Label(f"Distinct {k}-grams", VARIETY, percent=True) for k in (2, 3, 4)
}
OPENING = Label("Most common opening", VARIETY, "share of stories that begin with the same five words", percent=True)
WORDS = Label("Requested words included", FOLLOWING, "inflected forms count", True, True)
REQUESTED_FEATURES = Label("Requested features found", FOLLOWING, "by rules, which can err", True, True)


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
        names = {id(r): name for name, r in zip(data.request_ids, data.requests, strict=True)}
        answers = [(names[id(r)], generation.text, r) for generation, r in zip(made, requests, strict=True)]
        asked_by = "the chat template" if model.is_chat else "plain text (a base model: chance level)"
        return following(answers, data.language, asked_by=asked_by)


def following(
    answers: Sequence[tuple[str, str, StoryRequest]], language: str = ENGLISH, **details: Any
) -> dict[str, Metric]:
    """Shares of the requested words and features that stories contain, as far as any are asked for.

    Words count inflected or not. Features are those that rules find and whose rules know the language; `by_feature` also says how often
    they are found in stories that did not ask for them.

    Args:
        answers: name of the request, the story, and the request.
    """
    asking = [(name, text, r.words) for name, text, r in answers if r.words]
    found = [sum(includes_word(text, word, language) for word in words) for _, text, words in asking]
    words = Units([name for name, *_ in asking], found, [len(words) for *_, words in asking])

    known = features_known(language)
    asked = [(n, detect_features(t, known), w) for n, t, r in answers if (w := set(r.features).intersection(known))]
    by_feature = {}
    for feature in known:
        with_it = [feature in found for _, found, wanted in asked if feature in wanted]
        without = [feature in found for _, found, wanted in asked if feature not in wanted]
        by_feature[feature] = {
            "asked": len(with_it),
            "found": sum(with_it),
            "not_asked": len(without),
            "found_although_not_asked": sum(without),
        }
    features = Units(
        [name for name, *_ in asked],
        [len(found & wanted) for _, found, wanted in asked],
        [len(wanted) for *_, wanted in asked],
    )
    made = {
        "words_included": estimate(words, label=WORDS, share=True, **details),
        "features_included": estimate(
            features, label=REQUESTED_FEATURES, share=True, by_feature=by_feature, **details
        ),
    }
    return {name: metric for name, metric in made.items() if metric.n}
