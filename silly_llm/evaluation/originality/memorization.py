"""How much a model recites: the four measures of the TinyStories paper (Eldan & Li 2023, section 4.4) against the whole training set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from silly_llm.asking.engine import batches
from silly_llm.core.errors import RecipeError, RunError, first_line
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.core.registry import register
from silly_llm.core.schema import at_least, require
from silly_llm.data.filters.near_duplicates import shingles
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import (
    COPYING,
    EvaluationData,
    EvaluationProvider,
    Label,
    Metric,
    Units,
    estimate,
)
from silly_llm.evaluation.models.base import NotMeasured
from silly_llm.evaluation.originality.ngrams import BLOCK, Ngrams, Search, Words, most_similar
from silly_llm.evaluation.originality.training_text import TrainingText, training_text
from silly_llm.text.words import count_words, first_words

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import LanguageModel

RECALLED = Label(
    "Ending recalled", COPYING, "ROUGE-2 precision with the real ending of a training story", percent=True
)
SIMILAR = Label("Most similar completion", COPYING, "ROUGE-2 F with another completion", percent=True)
CLOSEST = Label("Closest training story", COPYING, "ROUGE-2 precision with any training story", percent=True)
SPAN = Label("Longest copied run", COPYING, "words in a row that stand in a training story")
COPIES = Label("Copies", COPYING, "completions that are a training story but for its names", False, True)
SHORT = 10
"""Completions with fewer different pairs of words are no copies: any training story may have them."""


@dataclass
class MemorizationConfig:
    dataset: Any = None
    """The training set, as in every recipe; default: what the recipes of the model's folder name."""
    text_column: str = "text"
    """Its column of texts."""
    stories: int = 100
    """Training stories that the model continues."""
    prompt_share: float = 0.4
    """Share of a story's words that it is given."""
    kgrams: list[int] = field(default_factory=lambda: [2, 3, 4, 6, 8])
    """Lengths, in words, of the n-grams looked up in the training set."""
    threshold: float = 0.85
    """Share of a completion's word pairs, names masked, that its closest training story has, from which on it is a copy."""

    def __post_init__(self) -> None:
        at_least(self, stories=2)
        for name in ("prompt_share", "threshold"):
            require(self, name, 0 < getattr(self, name) < 1, "must be between 0 and 1")
        require(self, "kgrams", min(self.kgrams, default=0) > 0, "must be numbers of words")


@register("evaluation_provider", "memorization")
class Memorization(EvaluationProvider):
    """Whether a model recites its training set: continuations of training stories beside their real endings and all stories.

    A random sample of training stories is cut after 40 % of their words, and the model, base or tuned, continues the raw text. N-grams
    are of words in lower case and count once a text. The endings of held-out stories go through the same search: what a
    storyteller has in common with the training set who never saw it (`held_out` in the details).
    """

    def __init__(self, config: MemorizationConfig, settings: EvaluationArguments) -> None:
        self.config, self.settings = config, settings

    def prepare(self) -> None:
        if self.config.dataset is not None:
            self.training("")

    def training(self, model: str) -> TrainingText:
        """The training set that the recipe names, else that of the model."""
        if self.config.dataset is None:
            return training_text(model)
        made = TrainingText()
        made.add(self.config.dataset, self.config.text_column)
        return made

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        config, settings = self.config, self.settings
        training = self.training(model.path)
        try:
            stories = sample(training.texts(), config.stories, settings.seed)
        except (RecipeError, RunError) as error:
            stories, training.missing = [], [*training.missing, first_line(error)]
        if not stories:
            raise NotMeasured("; ".join(training.missing) or f"no training story has {SHORT} words")
        for reason in training.missing:
            print(f"{model.name}: memorization: not measured: {reason}", flush=True)
        prompts, endings = zip(*(divided(story, config.prompt_share) for story in stories), strict=True)
        made = [g.text for g in model.generate(prompts, settings.sampling, settings.seed)]
        unseen = [divided(text, config.prompt_share)[1] for text in data.texts[: len(made)]]
        search = Search([*made, *unseen], training.texts(), config.kgrams)
        found = measures(stories, made, endings, unseen, search, config, data.language)
        about = {"training_documents": search.stories, "not_measured": training.missing}
        found["closest_story"].details.update(about, training_sets=training.names)
        return found


def divided(story: str, share: float) -> tuple[str, str]:
    """A story's beginning, up to the end of a word, and its ending."""
    story = story.strip()
    beginning = first_words(story, round(share * count_words(story)))
    return beginning, story[len(beginning) :]


def sample(texts: Iterable[str], count: int, seed: int) -> list[str]:
    """`count` different texts of a stream by a seed, whatever their order; those of fewer than ten words are passed over."""
    drawn: dict[str, str] = {}
    for block in batches(texts, BLOCK):
        drawn |= {fingerprint([seed, text]): text for text in block if count_words(text) >= SHORT}
        drawn = dict(sorted(drawn.items())[:count])
    return list(drawn.values())


def measures(
    stories: Sequence[str],
    made: Sequence[str],
    endings: Sequence[str],
    unseen: Sequence[str],
    search: Search,
    config: MemorizationConfig,
    language: str,
) -> dict[str, Metric]:
    """What a `Search` for completions `made` of `stories` and, behind them, `unseen` endings says of the completions."""
    n, pairs, ids = len(made), search.grams[2], [fingerprint(story)[:12] for story in stories]
    told = zip([*made, *unseen], search.closest.stories, strict=True)
    masked = [covered(text, story or "", language) for text, story in told]
    known, long = pairs.sizes > 0, pairs.sizes >= SHORT
    copies = (np.array(masked) >= config.threshold) & long
    why = {} if long[:n].any() else {"not_measured": f"no completion has {SHORT} different pairs of words"}
    own = Ngrams(Words(made), 2)
    real = np.asarray(own.inside.multiply(own.of(Words(endings))[0] > 0).sum(axis=1)).ravel()

    def ratio(label: Label, over: Any, under: Any, **details: Any) -> Metric:
        """Of the completions; `held_out` in the details is that of the unseen endings, where they are among the values."""
        over, under = np.asarray(over, float), np.asarray(under, float)
        details |= {"held_out": float(over[n:].sum() / under[n:].sum())} if under[n:].any() else {}
        units = Units(ids, over[:n].tolist(), under[:n].tolist())
        return estimate(units, label=label, share=label.percent, **details)

    found = {
        "ending_recalled": ratio(RECALLED, real / np.maximum(own.sizes, 1), known[:n]),
        "similar_completion": ratio(SIMILAR, most_similar(own), known[:n]),
        "closest_story": ratio(CLOSEST, search.closest.shared / np.maximum(pairs.sizes, 1), known),
        "copied_run": ratio(SPAN, search.longest * known, known, longest=int(search.longest[:n].max())),
        "copies": ratio(COPIES, copies, long, too_short=int((~long[:n]).sum()), **why),
    }
    for k in config.kgrams:
        grams, counts = search.grams[k], search.counts[k]
        often = float((grams.inside @ counts)[:n].sum() / max(1, grams.sizes[:n].sum()))
        label = Label(f"Known {k}-grams", COPYING, "of the completions' different ones", percent=True)
        found[f"known_{k}grams"] = ratio(label, grams.share(counts), grams.sizes, mean_count=often)
    return found


def covered(text: str, story: str, language: str) -> float:
    """The share of a text's different word pairs that a story has, names masked in both."""
    pairs = set(shingles(text, language))
    return len(pairs.intersection(shingles(story, language))) / len(pairs) if pairs else 0.0
