"""Learning rates that transfer across width: the maximal update parametrization (μP) for plain transformers models.

Yang et al. 2022 (Tensor Programs V, arXiv 2203.03466, table 8, for Adam) with r = base width / width; at the base width nothing changes:

| | initial standard deviation | learning rate |
|---|---|---|
| hidden matrices | × √r | × r |
| output | logits × r | (of the head) × 1 |
| embeddings, norms, biases | × 1 | × 1 |

No class has to change for the output: the final norm's gain begins at r instead of 1 and learns r times as fast, which scales the logits by r
whether the head is tied or not. Weight decay stays what it is at the base width (hidden matrices': rate times decay). Attention keeps
1/√(head size), as plain models have it, where the paper has 1/(head size): exact where wider models have more heads, not larger ones. Muon's
updates have a fixed spectral norm, so its rates transfer by themselves (Yang et al. 2023, arXiv 2310.17813); it needs only the rest of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from silly_llm.core.errors import RecipeError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def roles_of(model: PreTrainedModel, *, final_apart: bool = False) -> dict[str, list[Any]]:
    """A model's trainable parameters by what width does to them, each once, in the model's order; each list may be empty.

    `tables`: embeddings and the head; `hidden`: matrices (and higher) from activations to activations; `vectors`: norms and biases;
    `final`: those of the final norm, if `final_apart`, else they are among the vectors.
    """
    import torch

    modules = [m for m in model.modules() if isinstance(m, torch.nn.Embedding)]  # tokens, positions
    tables = {id(m.weight) for m in [*modules, model.get_output_embeddings()] if m is not None}
    final = {id(p) for p in final_norm(model).parameters()} if final_apart else set()
    roles: dict[str, list[Any]] = {"tables": [], "hidden": [], "vectors": [], "final": []}
    for p in model.parameters():
        if p.requires_grad:
            role = "tables" if id(p) in tables else "hidden" if p.ndim >= 2 else "vectors"
            roles["final" if id(p) in final else role].append(p)
    return roles


def final_norm(model: PreTrainedModel) -> Any:
    """The norm between the last layer and the head: the last of the decoder's own; a RecipeError where there is none."""
    decoder: Any = model.get_decoder()
    norms = [m for m in decoder.children() if getattr(getattr(m, "weight", None), "ndim", 0) == 1]
    if not norms:
        raise RecipeError(
            f"base_width: a {model.config.model_type} has no final norm, which μP needs to scale the logits"
        )
    return norms[-1]


def scale_initialization(model: PreTrainedModel, base_width: int) -> None:
    """Turn a new model's weights into those of the table above."""
    import torch

    ratio, roles = base_width / model.config.get_text_config().hidden_size, roles_of(model, final_apart=True)
    with torch.no_grad():
        for role, factor in (("hidden", ratio**0.5), ("final", ratio)):
            for parameter in roles[role]:
                parameter.mul_(factor)


def parameter_groups(model: PreTrainedModel, args: Any) -> dict[str, dict[str, Any]]:
    """An optimizer's parameter groups: `tables`, `hidden`, `vectors` and `final`, as far as the model has them.

    The first one's rate is what logs call the learning rate. Norms and biases are not decayed. With a `base_width` the rates are those of the table above.
    """
    base_width, width = getattr(args, "base_width", None), model.config.get_text_config().hidden_size
    ratio, roles = (base_width or width) / width, roles_of(model, final_apart=base_width is not None)
    lr, decay = args.learning_rate, args.weight_decay
    rates = {"tables": lr, "hidden": lr * ratio, "vectors": lr, "final": lr * ratio}
    decays = {"tables": decay, "hidden": decay / ratio, "vectors": 0.0, "final": 0.0}
    return {
        name: {"params": params, "lr": rates[name], "weight_decay": decays[name]}
        for name, params in roles.items()
        if params
    }
