"""Tasks of EleutherAI's lm-evaluation-harness, its own or one's own from YAML files. Needs `pip install silly-llm[eval]`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider, Metric
from silly_llm.evaluation.metrics.statistics import around

if TYPE_CHECKING:
    from silly_llm.evaluation.model import LanguageModel


@dataclass
class LmEvalConfig:
    tasks: list[str] = field(default_factory=list)
    """Names of tasks or groups, such as `blimp`; the harness loads their data from the Hub."""
    include_path: str | None = None
    """A folder with one's own task files."""
    limit: int | None = None
    """Only the first so many examples of each task."""
    num_fewshot: int | None = None
    batch_size: int = 32

    def __post_init__(self) -> None:
        if not self.tasks:
            raise RecipeError("tasks: name at least one")


@register("evaluation_provider", "lm_eval")
class LmEval(EvaluationProvider):
    """Any task of the lm-evaluation-harness (`tasks: [blimp, …]`), by its `simple_evaluate`.

    Metrics are called `TASK/METRIC`; the interval is 1.96 of the harness's standard errors to each side.
    """

    def __init__(self, config: LmEvalConfig, settings: EvaluationArguments) -> None:
        self.config, self.settings = config, settings

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        try:
            from lm_eval import simple_evaluate
            from lm_eval.models.huggingface import HFLM
            from lm_eval.tasks import TaskManager
        except ImportError as error:
            raise RunError("the metric lm_eval needs lm-eval: pip install 'silly-llm[eval]'") from error
        config = self.config
        harness = HFLM(
            pretrained=model.model,
            tokenizer=model.tokenizer,
            batch_size=config.batch_size,
            max_length=model.context,
            add_bos_token=True,
        )
        seeds = ("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed")
        answer = simple_evaluate(
            model=harness,
            tasks=list(config.tasks),
            task_manager=TaskManager(include_path=config.include_path),
            limit=config.limit,
            num_fewshot=config.num_fewshot,
            bootstrap_iters=1000,
            log_samples=False,
            **dict.fromkeys(seeds, self.settings.seed),
        )
        metrics = {}
        for task, values in answer["results"].items():
            n = answer["n-samples"].get(task, {}).get("effective", 0)
            for key, value in values.items():
                name, _, variant = key.partition(",")
                if isinstance(value, (int, float)) and variant and not name.endswith("_stderr"):
                    deviation = values.get(f"{name}_stderr,{variant}")
                    low, high = around(value, deviation, n) if isinstance(deviation, float) and n > 1 else (None, None)
                    metrics[f"{task}/{name}"] = Metric(float(value), low, high, n)
        return metrics
