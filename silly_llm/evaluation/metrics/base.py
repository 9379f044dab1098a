"""What an evaluation provider gets and gives: a model and held-out data in, metrics with intervals out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from silly_llm.evaluation.metrics.statistics import Metric

if TYPE_CHECKING:
    from silly_llm.evaluation.model import LanguageModel

__all__ = ["EvaluationData", "EvaluationProvider", "Metric", "StoryRequest"]


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

    @property
    def language(self) -> str:
        """Of the documents, as a code without script and region; `en` where nobody knows."""
        return str(self.about.get("language") or "en")


class EvaluationProvider(ABC):
    """Measures one property of a language model."""

    @abstractmethod
    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        """The metrics by name. Must depend on nothing but its arguments and the recipe, seeds included."""

    def samples(self, model: LanguageModel, data: EvaluationData) -> list[dict[str, Any]]:
        """Texts for the report, each `{"prompt", "completion", …}`; none by default."""
        return []
