"""Evaluation during training: `callbacks: [evaluation]` in `pretrain.yaml` or `sft.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import parse_component, register
from silly_llm.core.schema import key
from silly_llm.evaluation.arguments import EvaluationArguments

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback


@dataclass
class EvaluationCallbackConfig:
    dataset: str | dict[str, Any] | list[Any] = key("", "Held-out stories, as `dataset` of evaluation.yaml. Required.")
    metrics: list[Any] = key(["completions"], "Evaluation providers, as `metrics` of evaluation.yaml.")
    num_stories: int = key(20, "Number of stories to sample.")
    max_new_tokens: int = key(200, "Their maximum length in tokens.")
    options: dict[str, Any] = key(dict, "Other keys of evaluation.yaml, such as temperature.")

    def __post_init__(self) -> None:
        if not self.dataset:
            raise RecipeError("dataset: name the held-out stories")


@register("training_callback", "evaluation")
class EvaluationCallback:
    """Measures the model by evaluation providers at each evaluation of a training; the numbers go where the loss goes: to the log, to trackers and to
    `metric_for_best_model`, each as `eval_NAME`."""

    def __init__(self, config: EvaluationCallbackConfig, container: Container) -> None:
        from silly_llm.core.config import check
        from silly_llm.data.sources import open_source
        from silly_llm.evaluation.texts import records_of

        own = {name: value for name, value in vars(config).items() if name != "options"}
        given = {"model": ""} | own | config.options
        self.settings = check(given, EvaluationArguments, where="training callback 'evaluation'")
        self.metrics = [
            parse_component("evaluation_provider", spec, where="metrics:") for spec in self.settings.metrics
        ]
        source = open_source(config.dataset)
        self.records, self.split = records_of(source, self.settings.split, self.settings.text_column)
        self.container = container.provide(EvaluationArguments, self.settings)

    def create(self, trainer: Trainer) -> TrainerCallback:
        """The callback of a trainer; a RecipeError where its weights are sharded, since one process measures."""
        from transformers import TrainerCallback

        from silly_llm.evaluation.held_out import read_held_out
        from silly_llm.evaluation.models.causal import LanguageModel

        if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
            raise RecipeError("callbacks: evaluation needs whole weights on one device; evaluate afterwards instead")
        data = read_held_out(self.settings, self.records, self.split)
        providers: list[Any] = [self.container.build("evaluation_provider", metric) for metric in self.metrics]
        for provider in providers:
            provider.prepare()

        class Evaluation(TrainerCallback):
            def on_evaluate(self, args, state, control, model=None, metrics=None, **kwargs):
                if not state.is_world_process_zero:
                    return
                training = model.training
                language_model = LanguageModel(model, trainer.processing_class, f"step {state.global_step}")
                measured = [provider.evaluate(language_model, data).items() for provider in providers]
                model.train(training)
                found = {f"eval_{name}": metric.value for each in measured for name, metric in each}
                metrics.update(found)
                trainer.log(found)

        return Evaluation()
