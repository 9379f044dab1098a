"""Optimizers: parameter groups, rates across width, Muon in two processes, schedule-free's averages."""

import sys
from types import SimpleNamespace

import pytest
import torch

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.training.model.models import build_model, model_config
from silly_llm.training.model.mup import final_norm, parameter_groups, roles_of, scale_initialization
from silly_llm.training.optim import muon
from silly_llm.training.optim.base import check_optimizer
from silly_llm.training.pretrain_config import PretrainArguments


def model_of(spec="silly-tiny", **more):
    return build_model(model_config(spec, vocab_size=300, max_length=16), 0, **more)


def arguments(tmp_path, **more) -> PretrainArguments:
    return PretrainArguments(dataset="x", output_dir=str(tmp_path), use_cpu=True, **more)


def train(model, optimizer, steps: int) -> None:
    for step in range(steps):
        ids = torch.randint(300, (4, 16), generator=torch.Generator().manual_seed(step))
        if hasattr(optimizer, "train"):
            optimizer.train()
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


OTHERS = [
    {"model_type": "gpt_neox", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},  # untied
    "tinystories-1m",
    {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2},
]


@pytest.mark.parametrize("spec", ["silly-tiny", *OTHERS], ids=str)
@pytest.mark.parametrize("name", ["adamw", "muon", "schedule_free"])
def test_every_parameter_is_trained_once(tmp_path, spec, name):
    if name == "schedule_free":
        pytest.importorskip("schedulefree", reason="the extra [schedulefree] is not installed")
    model = model_of(spec, attn_implementation="eager")
    for base_width in (None, 16):
        args = arguments(tmp_path, base_width=base_width, weight_decay=0.1)
        optimizer = Container().build("optimizer", name).create(model, args)
        trained = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert sorted(trained) == sorted(id(p) for p in model.parameters())
        for group in optimizer.param_groups:
            assert group["weight_decay"] == 0 or all(p.ndim >= 2 for p in group["params"])
        assert optimizer.param_groups[0]["lr"] == args.learning_rate  # which is logged


def test_roles_are_those_of_the_architecture():
    model = model_of()
    roles = roles_of(model, final_apart=True)
    assert [p is model.model.embed_tokens.weight for p in roles["tables"]] == [True]
    assert [p is model.model.norm.weight for p in roles["final"]] == [True]
    assert len(roles["hidden"]) == 2 * 7 and len(roles["vectors"]) == 2 * 2
    neo = model_of("tinystories-1m", attn_implementation="eager")
    assert final_norm(neo) is neo.transformer.ln_f and len(roles_of(neo)["tables"]) == 2  # tokens and positions


@pytest.mark.parametrize("base_width", [8, 32])
def test_rates_and_weights_follow_from_the_base_width(base_width):
    """Table 8 of Tensor Programs V; at the base width itself nothing changes."""
    ratio = base_width / 32
    wide, plain = model_of(), model_of()  # 32 wide
    scale_initialization(wide, base_width)
    args = SimpleNamespace(learning_rate=0.01, weight_decay=0.1, base_width=base_width)
    at = parameter_groups(wide, args)
    rates = {"tables": 0.01, "hidden": 0.01 * ratio, "vectors": 0.01, "final": 0.01 * ratio}
    assert {name: group["lr"] for name, group in at.items()} == rates
    assert at["hidden"]["lr"] * at["hidden"]["weight_decay"] == pytest.approx(0.01 * 0.1)
    for role, factor in {"hidden": ratio**0.5, "tables": 1.0, "vectors": 1.0, "final": ratio}.items():
        ours, before = (roles_of(model, final_apart=True)[role] for model in (wide, plain))
        assert ours and all(torch.equal(a, factor * b) for a, b in zip(ours, before, strict=True))


def logit_change(width: int, base_width: int | None) -> float:
    """How far a few steps move the logits of a model, on average."""
    spec = {"hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": width // 16}
    model = model_of(spec)
    if base_width:
        scale_initialization(model, base_width)
    ids = torch.randint(300, (4, 16), generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        before = model(input_ids=ids, use_cache=False).logits
    args = SimpleNamespace(learning_rate=0.003, weight_decay=0.0, base_width=base_width)
    groups = parameter_groups(model, args)
    train(model, torch.optim.AdamW(list(groups.values())), 3)
    with torch.no_grad():
        return float((model(input_ids=ids, use_cache=False).logits - before).abs().mean())


def test_steps_move_wide_models_as_far_as_narrow_ones():
    """The coordinate check of Tensor Programs V, appendix D.1: what a step does must not depend on the width."""
    plain = logit_change(512, None) / logit_change(32, None)
    scaled = logit_change(512, 32) / logit_change(32, 32)
    assert plain > 4 and 0.25 < scaled < 2


@pytest.mark.parametrize("stack", [1, 1 << 24], ids=["one by one", "together"])
def test_stacked_muon_is_torchs(monkeypatch, stack):
    monkeypatch.setattr(muon, "STACK", stack)
    shapes = [(8, 24), (24, 8), (8, 8), (24, 8), (8, 8), (8, 24), (8, 24)]
    draw = torch.Generator().manual_seed(0)
    ours, torchs = ([torch.nn.Parameter(torch.ones(shape)) for shape in shapes] for _ in range(2))
    options = {"lr": 0.1, "weight_decay": 0.5, "ns_steps": 3}
    optimizers = muon.StackedMuon(ours, **options), torch.optim.Muon(torchs, **options)
    for _ in range(4):
        for mine, other in zip(ours, torchs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=draw)
            other.grad = mine.grad.clone()
        ours[2].grad = torchs[2].grad = None  # one that was not used
        for optimizer in optimizers:
            optimizer.step()
    for mine, other in zip(ours, torchs, strict=True):
        assert torch.allclose(mine, other, atol=0.01)
        assert not torch.allclose(mine[:1], torch.ones(1), atol=0.1) or mine is ours[2]
    states = [optimizer.state_dict()["state"] for optimizer in optimizers]
    for number, state in states[1].items():
        assert torch.allclose(states[0][number]["momentum_buffer"], state["momentum_buffer"])


@pytest.mark.parametrize("schedule", ["cosine", "warmup_stable_decay"])
def test_schedule_free_refuses_a_schedule(tmp_path, schedule):
    pytest.importorskip("schedulefree", reason="the extra [schedulefree] is not installed")
    check_optimizer("schedule_free", arguments(tmp_path, lr_scheduler_type="constant_with_warmup"))
    decays = arguments(tmp_path, lr_scheduler_type=schedule, decay_fraction=0.2 if "decay" in schedule else None)
    with pytest.raises(RecipeError, match=f"in place of a schedule, and {schedule} would decay"):
        check_optimizer("schedule_free", decays)


def test_what_is_not_installed_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "schedulefree", None)  # as if it were not there
    with pytest.raises(RecipeError, match="pip install schedulefree"):
        check_optimizer("schedule_free", arguments(tmp_path))
    with pytest.raises(RecipeError, match="optim: Please install"):  # one of the Trainer's
        check_optimizer(None, arguments(tmp_path, optim="adamw_anyprecision"))
