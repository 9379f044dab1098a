"""What the measures of writing share: the stories a model writes, and the same measure of the held-out stories beside it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider, Metric
from silly_llm.evaluation.metrics.stories import told
from silly_llm.text.languages import ENGLISH

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import LanguageModel


class WritingProvider(EvaluationProvider):
    """Measures the stories that `completions` counts, by English rules. Every metric has `reference` in its details: the same of the held-out stories."""

    name = "writing"

    def __init__(self, settings: EvaluationArguments) -> None:
        self.settings = settings
        self._held_out: tuple[EvaluationData, dict[str, Metric]] | None = None

    @abstractmethod
    def measure(self, ids: Sequence[str], texts: Sequence[str]) -> dict[str, Metric]:
        """The metrics of texts; `ids` name them in the evidence."""

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        if data.language != ENGLISH:
            print(f"{self.name}: not measured, its rules are English; the texts are in {data.language}", flush=True)
            return {}
        stories = [begin + generation.text for begin, generation in told(model, data, self.settings)]
        metrics = self.measure(data.request_ids, stories)
        if self._held_out is None or self._held_out[0] is not data:
            count = len(data.requests)
            self._held_out = data, self.measure(data.document_ids[:count], list(data.texts[:count]))
        held_out = self._held_out[1]
        return {
            name: replace(m, details=m.details | {"reference": held_out[name].as_json()})
            for name, m in metrics.items()
        }
