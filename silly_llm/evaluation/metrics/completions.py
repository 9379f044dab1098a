"""The stories a model tells: whether they end, how varied they are, how they begin, and some to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider, Metric
from silly_llm.evaluation.metrics.statistics import distinct, mean, openings, share

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
        from silly_llm.text.words import tokenize_words

        settings = self.settings
        prompts: list[Any] = [r.messages if model.is_chat else r.beginning for r in data.requests]
        made = model.generate(prompts, settings.sampling, settings.seed)
        new = [tokenize_words(g.text) for g in made]
        whole = new
        if not model.is_chat:
            whole = [tokenize_words(r.beginning + g.text) for r, g in zip(data.requests, made, strict=True)]
        asked_by = (
            "instructions" if model.is_chat else f"the first {settings.beginning_words} words of held-out stories"
        )
        metrics = {
            "ends_by_itself": share(sum(g.ended for g in made), len(made), asked_by=asked_by),
            "story_words": mean([len(words) for words in whole], settings.seed),
        }
        metrics |= {f"distinct_{k}": distinct(new, k) for k in (1, 2, 3, 4)}
        given = 0 if model.is_chat else settings.beginning_words
        opening = openings(whole)
        opening.details["given_words"] = given
        metrics["top_opening"] = opening
        return metrics

    def samples(self, model: LanguageModel, data: EvaluationData) -> list[dict[str, Any]]:
        """The same beginnings, as raw text, and the same instructions for every model."""
        from silly_llm.text.features import detect_features, features_known
        from silly_llm.text.inflection import includes_word

        settings = self.settings
        requests = data.requests[: settings.num_samples]
        beginnings = [r.beginning for r in requests]
        instructions: list[Any] = [ask(model, r) for r in requests]
        rows = []
        for request, made in zip(requests, model.generate(beginnings, settings.sampling, settings.seed), strict=True):
            rows.append(
                {"kind": "beginning", "prompt": request.beginning, "completion": made.text, "ended": made.ended}
            )
        for request, made in zip(
            requests, model.generate(instructions, settings.sampling, settings.seed), strict=True
        ):
            rows.append(
                {
                    "kind": "instruction",
                    "prompt": request.instruction,
                    "completion": made.text.strip(),
                    "ended": made.ended,
                    "words": {word: includes_word(made.text, word, data.language) for word in request.words},
                    "features": {
                        f: f in detect_features(made.text)
                        for f in request.features
                        if f in features_known(data.language)
                    },
                }
            )
        return rows


def ask(model: LanguageModel, request: Any) -> Any:
    """How a model is asked for a request: a tuned one through its chat template, a base one with the plain text."""
    return request.messages if model.is_chat else request.instruction + "\n\n"
