"""The options of the evaluation provider `judge`."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import parse_component
from silly_llm.core.schema import at_least, key, require
from silly_llm.evaluation.arguments import ModelEntry

OURS = "beginnings"


@dataclass
class JudgeConfig:
    """What stories are judged, by whom, and what that may cost."""

    provider: str | dict[str, Any] = key(MISSING, "The judge: an LLM provider (`type`, `model`, `base_url` …).")
    name: str = key("judge", "What the metrics' names begin with; give each of several judges its own.")
    prompts: Any = key(OURS, "`beginnings` (50 of ours), a YAML list such as the paper's 44, or any file or dataset.")
    instruct: bool = key(False, "Ask the held-out requests' instructions in place of beginnings.")
    num_prompts: int = key(50, "Number of prompts, the first ones.")
    completions: int = key(10, "Number of stories per prompt.")
    temperature: float = key(1.0, "Temperature at which the model writes them.")
    rubric: str = key("tinystories-1", "The rubric that comes with the package, or the path of your own.")
    judge_temperature: float = key(0.7, "Temperature of the judge.")
    max_tokens: int = key(512, "Maximum length of an answer of the judge, in tokens.")
    calibration: int = key(100, "Number of held-out stories that show how far to believe the judge; 0: none.")
    repeats: float = key(0.1, "Share of the verdicts that are asked for twice.")
    pairwise: bool = key(False, "Compare the models' stories side by side, in both orders.")
    max_failed: int = key(0, "How many requests may fail after all retries.")
    max_requests: int | None = key(None, "Stop after this many answered requests.")
    max_tokens_total: int | None = key(None, "Stop before questions and answers exceed this many tokens in total.")
    max_cost: float | None = key(None, "Stop before spending more than this (needs provider.price_per_million).")

    def __post_init__(self) -> None:
        at_least(self, num_prompts=1, completions=1, max_tokens=1)
        at_least(self, calibration=0, max_failed=0, temperature=0, judge_temperature=0)
        require(self, "repeats", 0 <= self.repeats <= 1, "must be between 0 and 1")
        for name, limit in self.limits.items():
            require(self, name, limit is None or limit > 0, "must be above 0")
        if self.instruct and self.prompts != OURS:
            raise RecipeError("prompts: are for beginnings; instruct takes the held-out stories' instructions")
        self.parsed = parse_component("llm_provider", self.provider, where="provider:")
        if self.max_cost is not None and not getattr(self.parsed.config, "price_per_million", True):
            raise RecipeError("max_cost: needs prices: provider: {price_per_million: {prompt: …, completion: …}}")

    @property
    def limits(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in ModelEntry.LIMITS}
