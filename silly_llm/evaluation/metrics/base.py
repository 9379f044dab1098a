"""What an evaluation provider gets and gives: a model and held-out data in, metrics with intervals out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from silly_llm.core.errors import RunError
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.evaluation.metrics.statistics import Label, Metric, Units, estimate

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import LanguageModel

__all__ = [
    "EvaluationData",
    "EvaluationProvider",
    "Label",
    "Metric",
    "NotMeasured",
    "StoryRequest",
    "Units",
    "estimate",
]

PREDICTING, TELLING = "Predicting held-out text", "Telling stories"
FOLLOWING, VARIETY = "Following instructions", "Variety"
JUDGED, KNOWING = "Judged by an LLM", "Minimal pairs"
WRITING, COPYING = "Language and coherence", "Copying from training text"
BENCHMARKS, COST = "Benchmarks", "Cost"
GROUPS = (PREDICTING, JUDGED, TELLING, FOLLOWING, WRITING, KNOWING, BENCHMARKS, VARIETY, COPYING, COST)
"""Groups of metrics, in the order of a report."""


class NotMeasured(RunError):
    """A model lacks what a metric needs; the report says so, and the other metrics go on."""


@dataclass(frozen=True)
class StoryRequest:
    """One story that every model of a report is asked for."""

    beginning: str
    """First words of a held-out story, which a base model continues; may be empty."""
    messages: tuple[dict[str, str], ...]
    """The instruction, as chat messages, which a tuned model is asked with."""
    words: tuple[str, ...] = ()
    """The words that the instruction asks for; empty when it asks for none."""
    features: tuple[str, ...] = ()
    others: dict[str, Any] = field(default_factory=dict)
    """What else it asks for that can be checked, by the name of its verifier: `{"sentence": "…"}`."""
    types: tuple[str, ...] = ()
    """The instruction types that it combines, where the dataset says so; also those that nothing checks."""

    @property
    def wanted(self) -> dict[str, Any]:
        """All that can be checked, by the names of verifiers."""
        asked = {"words": self.words, "features": self.features, **self.others}
        return {name: value for name, value in asked.items() if value}

    @property
    def combination(self) -> str:
        """Its instruction types as one text: `sentence + words`."""
        return " + ".join(sorted(self.types or self.wanted)) or "nothing"

    @property
    def id(self) -> str:
        """Names it in the evidence: the same for every model and evaluation."""
        return fingerprint([self.beginning, self.messages, self.words, self.features])[:12]

    @property
    def instruction(self) -> str:
        """The instruction as plain text, without roles: what a base model is asked with."""
        return "\n\n".join(message["content"] for message in self.messages)


@dataclass(frozen=True)
class EvaluationData:
    """Held-out documents to score and stories to ask for."""

    texts: Sequence[str]
    """The documents, untouched."""
    requests: Sequence[StoryRequest]
    """One a story to sample."""
    about: dict[str, Any] = field(default_factory=dict)
    """Where they come from; becomes `dataset` in `results.json`. Its `language` says whose rules find words."""
    unseen: Sequence[StoryRequest] = ()
    """Requests of a combination of types that no model was trained on: of the dataset's split `held_out`."""

    @cached_property
    def document_ids(self) -> list[str]:
        """Names of the documents in the evidence, by their text: the same in every evaluation."""
        return unique(fingerprint(text)[:12] for text in self.texts)

    @cached_property
    def request_ids(self) -> list[str]:
        """Names of the requests in the evidence."""
        return unique(request.id for request in self.requests)

    @cached_property
    def unseen_ids(self) -> list[str]:
        """Names of the requests of unseen combinations."""
        return unique(request.id for request in self.unseen)

    @property
    def language(self) -> str:
        """Of the documents, as a code without script and region; `en` where nobody knows."""
        return str(self.about.get("language") or "en")


class EvaluationProvider(ABC):
    """Measures one property of a language model."""

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Find out what can be known before a model is loaded or anything is written, such as whether its tasks exist.

        Raises:
            RecipeError, RunError: it cannot measure.
        """

    def inputs(self) -> list[str]:
        """Local paths, URLs or Hub ids that its metrics depend on, beside model and held-out texts."""
        return []

    @abstractmethod
    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        """The metrics by name. Must depend on nothing but its arguments and the recipe, seeds included."""

    def samples(self, model: LanguageModel, data: EvaluationData) -> list[dict[str, Any]]:
        """Texts for the report, each `{"prompt", "completion", …}`; none by default."""
        return []

    def notes(self) -> list[str]:
        """Sentences about the last model's metrics that a report puts first."""
        return []

    def compare(
        self, generations: Mapping[str, Sequence[Mapping[str, Any]]], data: EvaluationData
    ) -> dict[str, dict[str, Metric]]:
        """More metrics by model and name, from the texts (rows of `generations.parquet`) of all of them, once all are measured."""
        return {}


def unique(names: Iterable[str]) -> list[str]:
    """Names with a number behind those that stood before: `a`, `b`, `a-2`."""
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return made
