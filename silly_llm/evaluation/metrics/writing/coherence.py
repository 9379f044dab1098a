"""Whether stories hold together, without a judge: names that stay, pronouns that fit, halves that belong together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from silly_llm.core.registry import register
from silly_llm.evaluation.metrics.base import (
    KNOWING,
    WRITING,
    EvaluationData,
    Label,
    Metric,
    NotMeasured,
    Units,
    estimate,
    unique,
)
from silly_llm.evaluation.metrics.writing.base import WritingProvider
from silly_llm.text.names import introductions, pronouns
from silly_llm.text.sentences import sentence_spans
from silly_llm.text.things import things

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import LanguageModel

NAMES_STAY = Label(
    "Names introduced", WRITING, "characters that a reader can know: no hero under a new name", True, True
)
THINGS_STAY = Label("Things introduced", WRITING, "a ball or her ball before the ball", True, True)
PRONOUNS = Label("Pronouns agree", WRITING, "he and she after a name, in its sentence", True, True)
SPLICE = Label(
    "Right second half preferred", KNOWING, "of held-out stories, to another story's; chance is 50 %", True, True
)


@register("evaluation_provider", "coherence")
class Coherence(WritingProvider):
    """Names that stay and pronouns that fit, by rules, and whether a second half is likelier after its own first; English only.

    `names_stay` is the share of names that are introduced where they first stand: a hero who is called Gus, Paul and Nick has
    two names that nobody introduced. `things_stay` is the same of things: *the ball* needs *a ball* before it. `splice` needs a model that scores text.
    """

    name = "coherence"

    def measure(self, ids: Sequence[str], texts: Sequence[str]) -> dict[str, Metric]:
        """`names_stay` over the stories with names, `things_stay` over those with things, `pronouns_agree` where a pronoun follows a name."""
        names = [introductions(text) for text in texts]
        named = [(name, found) for name, found in zip(ids, names, strict=True) if found]
        stay = Units([n for n, _ in named], [sum(f.values()) for _, f in named], [len(f) for _, f in named])
        told = [(name, found) for name, text in zip(ids, texts, strict=True) if (found := things(text))]
        known = Units([n for n, _ in told], [sum(f.values()) for _, f in told], [len(f) for _, f in told])
        agreements = [(name, said) for name, text in zip(ids, texts, strict=True) if (said := pronouns(text))]
        agree = Units([n for n, _ in agreements], [sum(s) for _, s in agreements], [len(s) for _, s in agreements])
        new = sorted(Counter(list(found.values()).count(False) for found in names).items())
        details: dict[str, Any] = {"stories_with_names": len(named), "stories": len(texts)}
        details["stories_by_new_names"] = {str(count): stories for count, stories in new}
        return {
            "names_stay": estimate(stay, label=NAMES_STAY, share=True, **details),
            "things_stay": estimate(known, label=THINGS_STAY, share=True, stories_with_things=len(told)),
            "pronouns_agree": estimate(agree, label=PRONOUNS, share=True, stories_with_pronouns=len(agreements)),
        }

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        metrics = super().evaluate(model, data)
        if not metrics:
            return metrics
        count = len(data.requests)
        return metrics | {"splice": splice(model, data.document_ids[:count], data.texts[:count])}


def splice(model: LanguageModel, ids: Sequence[str], texts: Sequence[str]) -> Metric:
    """How often a story's first half makes its own second half likelier by more nats than it does the next story's.

    By how much, since another half may be likelier by itself: log p(half | first) - log p(half). A tie is ½. Stories of fewer than
    four sentences have no halves.
    """
    halves = [(name, *half) for name, text in zip(ids, texts, strict=True) if (half := in_halves(text))]
    n, firsts, seconds = len(halves), [first for _, first, _ in halves], [second for *_, second in halves]
    if n < 2:
        return _not_measured("fewer than two held-out stories have four sentences")
    own, others = ([*map("".join, zip(firsts, ends, strict=True))] for ends in (seconds, seconds[1:] + seconds[:1]))
    try:
        nats = np.array([score.nats for score in model.score([*own, *others, *seconds])])
    except NotMeasured as error:
        return _not_measured(str(error))
    right, wrong, alone = nats.reshape(3, n)
    gains = (wrong - np.roll(alone, -1)) - (right - alone)  # the first half costs the same in both
    units = Units(unique(name for name, *_ in halves), np.heaviside(gains, 0.5).tolist())
    return estimate(units, label=SPLICE, share=True, pairs=n, too_short=len(texts) - n)


def _not_measured(why: str) -> Metric:
    return Metric(math.nan, details={"not_measured": why}, label=SPLICE)


def in_halves(text: str) -> tuple[str, str] | None:
    """The text cut between two sentences in the middle, or None where it has fewer than four."""
    spans = sentence_spans(text)
    if len(spans) < 4:
        return None
    end = spans[len(spans) // 2 - 1][1]
    return text[:end], text[end:]
