"""How much a model's stories differ from each other, and how much each repeats itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from silly_llm.core.folders.provenance import fingerprint
from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import (
    VARIETY,
    EvaluationData,
    EvaluationProvider,
    Label,
    Metric,
    Units,
    estimate,
)
from silly_llm.evaluation.metrics.statistics import distinct
from silly_llm.evaluation.metrics.stories import told
from silly_llm.evaluation.originality.ngrams import Ngrams, Words, most_similar
from silly_llm.text.sentences import split_sentences
from silly_llm.text.words import lower_words

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import LanguageModel

AMOUNT = 10_000
"""Words on which the vocabulary is counted, so that models compare that tell stories of different lengths."""
SIMILAR = Label("Similar to another of its stories", VARIETY, "ROUGE-2 F with the most similar one", percent=True)
OPENINGS = Label("Different openings", VARIETY, "first five words, different ones by stories", percent=True)
VOCABULARY = Label("Different words in 10,000", VARIETY, "of the first 10,000 words", percent=True)
REPEATED = Label("Repeated 3-grams", VARIETY, "that stood before in the same story", False, True)
SENTENCES = Label("Repeated sentences", VARIETY, "that stood before in the same story", False, True)


@register("evaluation_provider", "diversity")
class Diversity(EvaluationProvider):
    """Self-similarity, openings, vocabulary at equal amounts, and repetition within a story.

    The texts are those of `completions`: a base model continues the first words of held-out stories, a tuned one answers instructions.
    """

    def __init__(self, settings: EvaluationArguments) -> None:
        self.settings = settings

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        made = told(model, data, self.settings)
        clusters = [fingerprint(r.messages if model.is_chat else r.beginning)[:12] for r in data.requests]
        stories, whole = [g.text for _, g in made], [begin + g.text for begin, g in made]
        return diversity(data.request_ids, stories, whole, clusters)


def diversity(
    ids: Sequence[str], stories: Sequence[str], whole: Sequence[str], clusters: Sequence[str] = ()
) -> dict[str, Metric]:
    """Measures of stories.

    Args:
        ids: Names of the stories.
        stories: The text that was told.
        whole: The same with what was given of its beginning, which counts for openings.
        clusters: Which stories answer the same prompt, by a common name.
    """
    pairs, words = Ngrams(Words(stories), 2), [lower_words(story) for story in stories]
    said = (pairs.sizes > 0).astype(float)
    similar = Units(ids, (most_similar(pairs) * said).tolist(), said.tolist(), clusters)
    openings = [[" ".join(lower_words(story)[:5])] for story in whole]
    counted, room = [], AMOUNT
    for each in words:
        counted.append(each[:room])
        room -= len(counted[-1])
    short = {"not_measured": f"{AMOUNT - room:,} words, not {AMOUNT:,}"}
    sentences = [[sentence.lower() for sentence in split_sentences(story)] for story in stories]
    threes = [list(zip(w, w[1:], w[2:], strict=False)) for w in words]
    vocabulary = Metric(float("nan"), details=short, label=VOCABULARY)
    return {
        "self_similarity": estimate(similar, label=SIMILAR, share=True),
        "different_openings": distinct(ids, openings, 1, label=OPENINGS, different=len({o for (o,) in openings})),
        "vocabulary": vocabulary if room else distinct(ids, counted, 1, label=VOCABULARY),
        "repeated_3grams": repeated(ids, threes, clusters, REPEATED),
        "repeated_sentences": repeated(ids, sentences, clusters, SENTENCES),
    }


def repeated(ids: Sequence[str], parts: Sequence[Sequence], clusters: Sequence[str], label: Label) -> Metric:
    """The share of parts that stood before in the same story."""
    units = Units(ids, [len(p) - len(set(p)) for p in parts], [len(p) for p in parts], clusters)
    return estimate(units, label=label, share=True)
