"""Optimizers by name. A plugin registers a class with `create(model, args)` under the kind `optimizer`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from silly_llm.core import registry
from silly_llm.core.errors import NotInstalledError, RecipeError
from silly_llm.core.registry import register
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


def check_optimizer(spec: str | dict[str, Any], args: TrainingArguments) -> None:
    """The optimizer that a recipe names exists, takes the options given, and works with the other keys; builds nothing."""
    cls, _ = registry.parse_component("optimizer", spec, where="optimizer:")
    if cls is not None and issubclass(cls, OptimizerFactory):
        cls.check(args)


@register("optimizer", "adamw")
class AdamW(OptimizerFactory):
    """AdamW, fused (Loshchilov & Hutter 2019); norms and biases are not decayed."""

    def create(self, model: PreTrainedModel, args: TrainingArguments) -> torch.optim.Optimizer:
        return fused_adamw(groups_of(model, args).values(), args)


@dataclass
class MuonConfig:
    lr_ratio: float = 4.0
    """Muon's learning rate over `learning_rate`, which AdamW uses for everything but hidden matrices."""
    embedding_lr_ratio: float = 1.0
    """The input embeddings' learning rate over `learning_rate`, where the head has weights of its own."""
    momentum: float = 0.95
    weight_decay: float = 0.0
    """Of Muon's matrices."""
    ns_steps: int = 5
    """Newton-Schulz iterations."""


@register("optimizer", "muon")
class Muon(OptimizerFactory):
    """Muon for the hidden matrices (Jordan et al. 2024), AdamW for embeddings, norms and head."""

    replicated_only = True

    def __init__(self, config: MuonConfig) -> None:
        self.config = config

    def create(self, model: PreTrainedModel, args: TrainingArguments) -> torch.optim.Optimizer:
        from silly_llm.training.optim.muon import StackedMuon

        groups = groups_of(model, args)
        matrices = groups.pop("hidden", {"params": []})["params"]
        hidden = [p for p in matrices if p.ndim == 2]
        if not hidden:
            raise RecipeError("optimizer: muon needs hidden matrices to train, and there are none")
        if others := [p for p in matrices if p.ndim != 2]:
            groups["others"] = {"params": others, "weight_decay": args.weight_decay}
        c = self.config
        split_embeddings(model, groups, c.embedding_lr_ratio)
        muon = StackedMuon(
            hidden,
            lr=args.learning_rate * c.lr_ratio,
            momentum=c.momentum,
            weight_decay=c.weight_decay,
            ns_steps=c.ns_steps,
        )
        return chained(fused_adamw(groups.values(), args), muon) if groups else muon


@dataclass
class ScheduleFreeConfig:
    weight_lr_power: float = 2.0
    """During warmup a step weighs in the average as its learning rate to this power."""
    r: float = 0.0
    """A step weighs in the average as its number to this power."""


@register("optimizer", "schedule_free")
class ScheduleFree(OptimizerFactory):
    """Schedule-free AdamW (Defazio et al. 2024): averages weights instead of decaying the learning rate."""

    replicated_only = True

    def __init__(self, config: ScheduleFreeConfig) -> None:
        self.config = config

    @classmethod
    def check(cls, args: TrainingArguments) -> None:
        if find_spec("schedulefree") is None:
            raise NotInstalledError("optimizer: schedule_free needs a package: pip install schedulefree")
        schedule = str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
        if schedule not in ("constant", "constant_with_warmup"):
            raise RecipeError(
                f"lr_scheduler_type: schedule_free averages weights in place of a schedule, and {schedule} would decay the rate as "
                "well; set constant or constant_with_warmup"
            )

    def create(self, model: PreTrainedModel, args: TrainingArguments) -> torch.optim.Optimizer:
        from schedulefree import AdamWScheduleFree

        return AdamWScheduleFree(
            list(groups_of(model, args).values()),
            lr=args.learning_rate,
            betas=(args.adam_beta1, args.adam_beta2),
            eps=args.adam_epsilon,
            weight_lr_power=self.config.weight_lr_power,
            r=self.config.r,
        )


def groups_of(model: PreTrainedModel, args: TrainingArguments) -> dict[str, dict[str, Any]]:
    """The model's parameter groups (`silly_llm.training.model.mup`) with the recipe's rates."""
    return parameter_groups(
        model,
        lr=args.learning_rate,
        weight_decay=args.weight_decay,
        base_width=getattr(args, "base_width", None),  # a key of pretraining
    )


def split_embeddings(model: PreTrainedModel, groups: dict[str, dict[str, Any]], ratio: float) -> None:
    """Give the input embeddings a group of their own, at `ratio` times the rate of the tables; tied ones stay with the head."""
    tables, embedding = groups.get("tables"), model.get_input_embeddings().weight
    head = model.get_output_embeddings()
    if ratio == 1 or tables is None or head is None or head.weight is embedding or not embedding.requires_grad:
        return
    tables["params"] = [p for p in tables["params"] if p is not embedding]
    groups["embedding"] = {**tables, "params": [embedding], "lr": ratio * tables["lr"]}


def fused_adamw(groups: Iterable[dict[str, Any]], args: TrainingArguments) -> torch.optim.Optimizer:
    import torch

    betas = (args.adam_beta1, args.adam_beta2)
    return torch.optim.AdamW(list(groups), lr=args.learning_rate, betas=betas, eps=args.adam_epsilon, fused=True)


def chained(*parts: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Several optimizers as one: schedulers see all groups, checkpoints hold all states."""
    import torch

    class ChainedOptimizer(torch.optim.Optimizer):
        def __init__(self, optimizers: tuple[torch.optim.Optimizer, ...]) -> None:
            self.optimizers = optimizers
            # `lr` among the defaults: the polynomial schedule asks for it.
            groups = [group for o in optimizers for group in o.param_groups]
            super().__init__(groups, {"lr": optimizers[-1].defaults["lr"]})
            self._share()

        def _share(self) -> None:
            # The very same group dictionaries, so that a scheduler's new rate reaches the parts.
            self.param_groups = [group for o in self.optimizers for group in o.param_groups]

        def step(self, closure: Any = None) -> Any:
            loss = closure() if closure is not None else None
            for optimizer in self.optimizers:
                optimizer.step()
            return loss

        def state_dict(self) -> dict[str, Any]:
            return {"parts": [optimizer.state_dict() for optimizer in self.optimizers]}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            for optimizer, state in zip(self.optimizers, state_dict["parts"], strict=True):
                optimizer.load_state_dict(state)
            self._share()

    return ChainedOptimizer(parts)
