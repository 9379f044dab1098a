"""The stories a model tells: whether they end, how varied they are, how they begin, and whether they have what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider, Metric, StoryRequest
from silly_llm.evaluation.metrics.statistics import clustered_share, distinct, mean, openings, share
from silly_llm.text.features import detect_features, features_known
from silly_llm.text.inflection import includes_word
from silly_llm.text.languages import ENGLISH
from silly_llm.text.words import tokenize_words

if TYPE_CHECKING:
    from silly_llm.evaluation.model import LanguageModel


@register("evaluation_provider", "completions")
class Completions(EvaluationProvider):
    """How often sampled stories end by themselves, their length, distinct n-grams and openings.

    A base model continues the first words of held-out stories, a tuned one answers instructions. Openings are counted
    over the whole story; for a base model the given words are part of it.
    """

    def __init__(self, settings: EvaluationArguments) -> None:
        self.settings = settings

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        settings, requests = self.settings, data.requests
        given = 0 if model.is_chat else settings.beginning_words
        asked_by = "instructions" if model.is_chat else f"the first {given} words of held-out stories"
        beginnings = [r.beginning for r in requests]
        prompts = [r.messages for r in requests] if model.is_chat else beginnings
        made = model.generate(prompts, settings.sampling, settings.seed)
        new = whole = [tokenize_words(g.text) for g in made]
        if not model.is_chat:
            whole = [tokenize_words(begin + g.text) for begin, g in zip(beginnings, made, strict=True)]
        return {
            "ends_by_itself": share(sum(g.ended for g in made), len(made), asked_by=asked_by),
            "story_words": mean([len(words) for words in whole], settings.seed),
            **{f"distinct_{k}": distinct(new, k) for k in (1, 2, 3, 4)},
            "top_opening": openings(whole, given_words=given),
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
        pairs = [(generation.text, request) for generation, request in zip(made, requests, strict=True)]
        asked_by = "the chat template" if model.is_chat else "plain text (a base model: chance level)"
        return following(pairs, settings.seed, data.language, asked_by=asked_by)


def following(
    pairs: Sequence[tuple[str, StoryRequest]], seed: int, language: str = ENGLISH, **details: Any
) -> dict[str, Metric]:
    """Shares of the requested words and features that stories contain, as far as any are asked for.

    Words count inflected or not. Features are those that rules find and whose rules know the language; `by_feature` also says how often
    they are found in stories that did not ask for them.
    """
    asking = [(text, r.words) for text, r in pairs if r.words]
    found = [sum(includes_word(text, word, language) for word in words) for text, words in asking]
    words = clustered_share(found, [len(words) for _, words in asking], seed, **details)

    known = features_known(language)
    asked = [(detect_features(text, known), w) for text, r in pairs if (w := set(r.features).intersection(known))]
    by_feature = {}
    for feature in known:
        with_it = [feature in found for found, wanted in asked if feature in wanted]
        without = [feature in found for found, wanted in asked if feature not in wanted]
        by_feature[feature] = {
            "asked": len(with_it),
            "found": sum(with_it),
            "not_asked": len(without),
            "found_although_not_asked": sum(without),
        }
    features = clustered_share(
        [len(found & wanted) for found, wanted in asked],
        [len(wanted) for _, wanted in asked],
        seed,
        by_feature=by_feature,
        **details,
    )
    return {name: m for name, m in (("words_included", words), ("features_included", features)) if m.n}
