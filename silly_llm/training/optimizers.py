"""Optimizers by name. A plugin registers a class with `create(model, args)` under the kind `optimizer`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from silly_llm.errors import RecipeError
from silly_llm.registry import register

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, TrainingArguments


class OptimizerFactory(ABC):
    """Makes the optimizer of a training."""

    replicated_only: bool = False
    """It needs whole parameters on every device: DDP will do, FSDP and DeepSpeed will not."""

    @abstractmethod
    def create(self, model: PreTrainedModel, args: TrainingArguments) -> torch.optim.Optimizer:
        """The optimizer for the model's trainable parameters. `args` has learning_rate, weight_decay, adam_beta1 …"""


@register("optimizer", "adamw")
class AdamW(OptimizerFactory):
    """AdamW, fused (Loshchilov & Hutter 2019); norms and biases are not decayed."""

    def create(self, model: PreTrainedModel, args: TrainingArguments) -> torch.optim.Optimizer:
        matrices, rest = split_parameters(model)
        groups = [
            {"params": matrices, "weight_decay": args.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        return fused_adamw([g for g in groups if g["params"]], args, args.learning_rate)


@dataclass
class MuonConfig:
    lr_ratio: float = 4.0
    """Muon's learning rate over `learning_rate`, which AdamW uses for what is no hidden matrix."""
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
        import torch

        tables = [m for m in model.modules() if isinstance(m, torch.nn.Embedding)]  # tokens, positions
        embeddings = {id(m.weight) for m in [*tables, model.get_output_embeddings()] if m is not None}
        matrices, rest = split_parameters(model)
        hidden = [p for p in matrices if p.ndim == 2 and id(p) not in embeddings]
        others = [p for p in matrices if p.ndim != 2 or id(p) in embeddings]
        if not hidden:
            raise RecipeError("optimizer: muon needs hidden matrices to train, and there are none")
        c = self.config
        muon = torch.optim.Muon(
            hidden,
            lr=args.learning_rate * c.lr_ratio,
            momentum=c.momentum,
            weight_decay=c.weight_decay,
            ns_steps=c.ns_steps,
        )
        groups = [
            {"params": others, "weight_decay": args.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        adamw = fused_adamw([g for g in groups if g["params"]], args, args.learning_rate)
        return chained(muon, adamw)


def split_parameters(model: PreTrainedModel) -> tuple[list[Any], list[Any]]:
    """Trainable parameters: matrices (and higher), and vectors (norms, biases)."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]


def fused_adamw(
    groups: Iterable[dict[str, Any]], args: TrainingArguments, lr: float
) -> torch.optim.Optimizer:
    import torch

    betas = (args.adam_beta1, args.adam_beta2)
    return torch.optim.AdamW(list(groups), lr=lr, betas=betas, eps=args.adam_epsilon, fused=True)


def chained(*parts: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Several optimizers as one: schedulers see all groups, checkpoints hold all states."""
    import torch

    class ChainedOptimizer(torch.optim.Optimizer):
        def __init__(self, optimizers: tuple[torch.optim.Optimizer, ...]) -> None:
            self.optimizers = optimizers
            super().__init__([group for o in optimizers for group in o.param_groups], {})
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
