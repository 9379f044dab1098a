"""What a model costs: parameters, memory, speed on this machine, and the operations of its training."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.registry import register
from silly_llm.core.sampling import SamplingParams, sample
from silly_llm.core.schema import at_least
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import COST, EvaluationData, EvaluationProvider, Label, Metric

if TYPE_CHECKING:
    import torch

    from silly_llm.evaluation.models.causal import LanguageModel

PARAMETERS = Label("Parameters", COST, "tied embeddings count once")
NOT_EMBEDDED = Label("Parameters without embeddings", COST, "input and output embeddings left out")
WEIGHTS = Label("Bytes of weights", COST, "in memory, as evaluated", False)
SCORING = Label("Scoring, tokens a second", COST, "measured here", True)
SAMPLING = Label("Sampling, tokens a second", COST, "measured here", True)
MEMORY = Label("Peak memory in bytes", COST, "measured here, while scoring and sampling", False)
FLOPS = Label("FLOPs of training", COST, "6 × weights × tokens", False)
PROCESS = Path("/proc/self")


@dataclass(frozen=True)
class CostConfig:
    """How much is measured."""

    documents: int = 64
    """Held-out documents to score."""
    stories: int = 32
    """Stories to sample from begin-of-text, together."""
    max_new_tokens: int = 128
    repeats: int = 3
    """The median of so many measurements counts."""

    def __post_init__(self) -> None:
        at_least(self, documents=1, stories=1, max_new_tokens=1, repeats=1)


@register("evaluation_provider", "cost")
class Cost(EvaluationProvider):
    """Parameters, bytes of weights, tokens a second of scoring and sampling, peak memory, FLOPs of training.

    Speeds and memory are of this machine, which the details name: compare them within one evaluation only. They are counts or
    medians of a few runs, and have no interval. FLOPs are known of model folders whose provenance says how many tokens they saw.
    """

    def __init__(self, config: CostConfig, settings: EvaluationArguments) -> None:
        self.config, self.settings = config, settings

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        import torch

        from silly_llm.core.devices import processor

        weights = model.model
        total = weights.num_parameters()
        first, last = weights.get_input_embeddings(), weights.get_output_embeddings()
        tied = last is not None and last.weight is first.weight
        embedded = first.weight.numel() + (0 if tied or last is None else last.weight.numel())
        found: dict[str, tuple[float, Label, dict[str, Any]]] = {
            "parameters": (total, PARAMETERS, {}),
            "parameters_without_embeddings": (total - embedded, NOT_EMBEDDED, {}),
            "weight_bytes": (sum(p.nbytes for p in weights.parameters()), WEIGHTS, {"dtype": str(weights.dtype)}),
        }
        here = {"hardware": processor(weights.device), "threads": torch.get_num_threads()}
        reset_peak()
        texts = list(data.texts[: self.config.documents])
        rate = self._rate(weights, lambda: sum(s.tokens for s in model.score(texts, self.settings.window)))
        found["scoring_tokens_per_second"] = rate, SCORING, {**here, "documents": len(texts)}
        rate = self._rate(weights, lambda: self._sampled(model))
        found["sampling_tokens_per_second"] = rate, SAMPLING, {**here, "batch": self.config.stories}
        memory, of = peak(weights.device)
        found["peak_memory_bytes"] = memory, MEMORY, {**here, "of": of}
        phases = trained_on(Path(weights.name_or_path))
        if phases:
            used = total - (0 if tied else first.weight.numel())
            operations = 6.0 * used * sum(phase["tokens"] for phase in phases)
            found["training_flops"] = operations, FLOPS, {"weights": used, "phases": phases}
        return {
            name: Metric(value, n=1, label=label, details=details) for name, (value, label, details) in found.items()
        }

    def _rate(self, weights: Any, run: Callable[[], int]) -> float:
        """Tokens a second, the median of the repeats; one more before them warms up."""
        import torch

        rates = []
        for _ in range(self.config.repeats + 1):
            began = time.perf_counter()
            tokens = run()
            if weights.device.type != "cpu":
                torch.accelerator.synchronize()
            rates.append(tokens / (time.perf_counter() - began))
        return statistics.median(rates[1:])

    def _sampled(self, model: LanguageModel) -> int:
        how = self.config.max_new_tokens, self.settings.temperature, self.settings.top_p
        params = [SamplingParams(seed, *how) for seed in range(self.config.stories)]
        prompts = [[model.bos_token_id]] * len(params)
        made = sample(model.model, model.tokenizer, prompts, params, batch_size=len(params), context=model.context)
        return sum(generation.tokens + generation.ended for generation in made)


def reset_peak() -> None:
    """Forget the largest memory so far, where the system can."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5")


def peak(device: torch.device) -> tuple[float, str]:
    """The largest memory since then, in bytes, and of what."""
    if device.type == "cuda":
        import torch

        return float(torch.cuda.max_memory_allocated(device)), "the tensors on the GPU"
    with suppress(OSError):
        if resident := re.search(r"VmHWM:\s*(\d+) kB", (PROCESS / "status").read_text()):
            return 1024.0 * int(resident[1]), "the whole process, Python and libraries included"
    return float("nan"), "unknown on this system"


def trained_on(folder: Path) -> list[dict[str, Any]]:
    """The trainings that made a model folder, the last first, by their provenance: phase, folder and tokens seen; empty where it has none.

    A training begins from one of its inputs; one that is no longer there ends the list, and what is counted is a lower bound.
    """
    try:
        said = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
        phase = {"phase": said["phase"], "folder": folder.name, "tokens": int(said["tokens"])}
        inputs = said.get("inputs", {})
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if said["phase"] not in ("pretrain", "sft"):
        return []
    for place in map(Path, inputs):
        moved_together = not place.is_absolute() and not place.is_dir()
        here = folder.parent / place.name if moved_together else place
        if here.resolve() != folder.resolve() and (before := trained_on(here)):
            return [phase, *before]
    return [phase]
