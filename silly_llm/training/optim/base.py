"""Optimizers by name. A plugin registers a class with `create(model, args)` under the kind `optimizer`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from silly_llm.core.errors import NotInstalledError, first_line
from silly_llm.core.registry import Parsed, parse_component, register
from silly_llm.training.keys import engine_of, refuse_if
from silly_llm.training.model.mup import parameter_groups

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, TrainingArguments


class OptimizerFactory(ABC):
    """Makes the optimizer of a training."""

    replicated_only: bool = False
    """It needs whole parameters on every device: DDP will do, FSDP and DeepSpeed will not."""

    @classmethod  # noqa: B027 - most have nothing to check
    def check(cls, args: TrainingArguments) -> None:
        """Raise a `RecipeError` where this optimizer is not installed or cannot work with the other keys; by default nothing."""

    @abstractmethod
    def create(self, model: PreTrainedModel, args: TrainingArguments) -> torch.optim.Optimizer:
        """The optimizer for the model's trainable parameters. `args` has learning_rate, weight_decay, adam_beta1 …"""


def check_optimizer(spec: str | dict[str, Any] | None, args: TrainingArguments) -> Parsed | None:
    """The optimizer that a recipe names, which exists, takes the options given, and works with the other keys; builds nothing.

    `None` if the recipe names none, but one of the Trainer's by `optim`, whose library is installed.
    """
    if spec is None:
        from transformers import Trainer

        try:
            Trainer.get_optimizer_cls_and_kwargs(args)
        except (ImportError, ValueError) as error:
            if "install" in str(error) or "import" in str(error):  # else that a model is needed, which comes later
                raise NotInstalledError(f"optim: {first_line(error)}") from None
        return None
    parsed = parse_component("optimizer", spec, where="optimizer:")
    cls = parsed.cls
    if cls is not None and issubclass(cls, OptimizerFactory):
        cls.check(args)
        engine = cls.replicated_only and engine_of(args)
        refuse_if(engine, f"optimizer: {spec!r} needs whole matrices, which {engine} splits; use adamw")
    return parsed


@register("optimizer", "adamw")
class AdamW(OptimizerFactory):
    """AdamW, fused (Loshchilov & Hutter 2019); norms and biases are not decayed."""

    def create(self, model: PreTrainedModel, args: TrainingArguments) -> torch.optim.Optimizer:
        return fused_adamw(parameter_groups(model, args).values(), args)


@register("optimizer", "muon")
@dataclass(kw_only=True)
class Muon(OptimizerFactory):
    """Muon for the hidden matrices (Jordan et al. 2024), AdamW for embeddings, norms and head."""

    replicated_only = True
    lr_ratio: float = 4.0
    """Muon's learning rate over `learning_rate`, which AdamW uses for everything but hidden matrices."""
    embedding_lr_ratio: float = 1.0
    """The input embeddings' learning rate over `learning_rate`, where the head has weights of its own."""
    momentum: float = 0.95
    weight_decay: float = 0.0
    """Of Muon's matrices."""
    ns_steps: int = 5
    """Newton-Schulz iterations."""

    def create(self, model: PreTrainedModel, args: TrainingArguments) -> torch.optim.Optimizer:
        from silly_llm.training.optim.muon import ChainedOptimizer, StackedMuon

        groups = parameter_groups(model, args)
        matrices = groups.pop("hidden", {"params": []})["params"]
        hidden = [p for p in matrices if p.ndim == 2]
        refuse_if(not hidden, "optimizer: muon needs hidden matrices to train, and there are none")
        if others := [p for p in matrices if p.ndim != 2]:
            groups["others"] = {"params": others, "weight_decay": args.weight_decay}
        embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings()
        untied = head is not None and head.weight is not embedding and embedding.requires_grad
        if self.embedding_lr_ratio != 1 and untied and (tables := groups.get("tables")):
            tables["params"] = [p for p in tables["params"] if p is not embedding]
            groups["embedding"] = {**tables, "params": [embedding], "lr": self.embedding_lr_ratio * tables["lr"]}
        options: dict[str, Any] = {name: getattr(self, name) for name in ("momentum", "weight_decay", "ns_steps")}
        muon = StackedMuon(hidden, lr=args.learning_rate * self.lr_ratio, **options)
        return ChainedOptimizer(fused_adamw(groups.values(), args), muon) if groups else muon


@register("optimizer", "schedule_free")
@dataclass(kw_only=True)
class ScheduleFree(OptimizerFactory):
    """Schedule-free AdamW (Defazio et al. 2024): averages weights instead of decaying the learning rate.

    The Trainer's own (`optim: schedule_free_adamw`) takes a warmup that is a share of all steps for a number of steps.
    """

    replicated_only = True
    weight_lr_power: float = 2.0
    """During warmup a step weighs in the average as its learning rate to this power."""
    r: float = 0.0
    """A step weighs in the average as its number to this power."""

    @classmethod
    def check(cls, args: TrainingArguments) -> None:
        if find_spec("schedulefree") is None:
            raise NotInstalledError("optimizer: schedule_free needs a package: pip install schedulefree")
        schedule = str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
        refuse_if(
            schedule not in ("constant", "constant_with_warmup"),
            f"lr_scheduler_type: schedule_free averages weights in place of a schedule, and {schedule} would decay the rate as "
            "well; set constant or constant_with_warmup",
        )

    def create(self, model: PreTrainedModel, args: TrainingArguments) -> torch.optim.Optimizer:
        from schedulefree import AdamWScheduleFree

        groups = list(parameter_groups(model, args).values())
        return AdamWScheduleFree(groups, **adam_options(args), **asdict(self))


def adam_options(args: TrainingArguments) -> dict[str, Any]:
    return {"lr": args.learning_rate, "betas": (args.adam_beta1, args.adam_beta2), "eps": args.adam_epsilon}


def fused_adamw(groups: Iterable[dict[str, Any]], args: TrainingArguments) -> torch.optim.Optimizer:
    import torch

    return torch.optim.AdamW(list(groups), **adam_options(args), fused=True)
