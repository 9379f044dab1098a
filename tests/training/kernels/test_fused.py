"""What is computed in fewer passes is what transformers computes: values and gradients."""

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from silly_llm.training.corpus.packing import IGNORED
from silly_llm.training.kernels import attention, fused
from silly_llm.training.model.models import build_model, model_config

LENGTH = 300  # two blocks and a part
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
QWEN = {"model_type": "qwen3", "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 96, **SMALL}
WINDOW = {**QWEN, "model_type": "mistral", "sliding_window": 40}
GEMMA = {**QWEN, "model_type": "gemma2"}


def model_of(spec, attention="eager"):
    config = model_config(spec, vocab_size=300, max_length=LENGTH)
    return build_model(config, 0, attn_implementation=attention)


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(1)
    ids, labels = torch.randint(0, 300, (2, 2, LENGTH), generator=draw)
    labels[:, -9:] = IGNORED
    positions = torch.cat([torch.arange(170), torch.arange(LENGTH - 170)]).expand(2, -1)
    return {"input_ids": ids, "position_ids": positions, "use_cache": False}, labels


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_loss_and_gradients_without_all_logits(dtype, monkeypatch):
    monkeypatch.setattr(fused, "LOGITS", 300 * 128)  # three chunks
    draw = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(LENGTH, 32, generator=draw), torch.randn(300, 32, generator=draw) / 5
    labels = torch.randint(0, 300, (LENGTH,), generator=draw)
    labels[5:20] = IGNORED
    tight = {"atol": 1e-5, "rtol": 1e-5} if dtype is torch.float32 else {"atol": 0.02, "rtol": 0.05}
    found = []
    for ours in (True, False):
        h, w = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        if ours:
            loss = fused.LinearCrossEntropy.apply(h, w, labels, dtype)
        else:
            loss = cross_entropy(h @ w.T, labels, ignore_index=IGNORED, reduction="sum")
        (loss / 7).backward()
        found.append((loss.detach() / LENGTH, h.grad, w.grad))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, **tight)
    separate = fused.token_nats(hidden, weight, labels, dtype)
    torch.testing.assert_close(separate.sum() / LENGTH, found[1][0], **tight)
    assert (separate[5:20] == 0).all()


@pytest.mark.parametrize("spec", ["silly-tiny", QWEN, WINDOW, {"model_type": "gpt2", **SMALL}])
def test_a_training_step_is_that_of_the_plain_model(spec, batch):
    inputs, labels = batch
    plain, ours = model_of(spec).eval(), model_of(spec, attention.NAME).eval()  # no dropout
    fused.fuse_norms(ours)
    head = fused.separable_head(ours)
    assert head is ours.get_output_embeddings()
    logits = plain(**inputs).logits
    cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum").backward()
    with fused.hidden_states(head):
        hidden = ours(**inputs).logits
    torch.testing.assert_close(head(hidden), logits, atol=1e-5, rtol=1e-5)
    fused.LinearCrossEntropy.apply(hidden.flatten(0, 1), head.weight, labels.flatten(), torch.float32).backward()
    for (name, mine), theirs in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=2e-4, rtol=1e-3, msg=name)


def test_norms_are_replaced_only_where_they_are_equal():
    model = model_of("silly-tiny")
    assert fused.fuse_norms(model) == 5
    other = copy.deepcopy(model)
    torch.nn.init.zeros_(other.model.norm.weight)
    ids = torch.tensor([[5, 6]])
    assert (other(ids).logits == 0).all() and (model(ids).logits != 0).any()
    assert fused.fuse_norms(model_of(GEMMA)) == 0  # 1 + weight
    assert fused.fuse_norms(model_of({"model_type": "gpt2", **SMALL})) == 0


def test_positions_are_in_the_dtype_of_products_and_elsewhere_as_they_were(batch):
    inputs, _ = batch
    plain, ours = model_of("silly-tiny").eval(), model_of("silly-tiny").eval()
    assert fused.cast_positions(ours) == 1 and fused.cast_positions(model_of("tinystories-1m")) == 0
    seen = []
    look = lambda _, args, kwargs: seen.extend(kwargs["position_embeddings"])  # noqa: E731
    ours.model.layers[0].register_forward_pre_hook(look, with_kwargs=True)
    assert torch.equal(ours(**inputs).logits, plain(**inputs).logits)
    with torch.autocast("cpu", torch.bfloat16):
        mine, theirs = ours(**inputs).logits, plain(**inputs).logits
    torch.testing.assert_close(mine, theirs, atol=0.02, rtol=0.05)
    assert [part.dtype for part in seen] == [torch.float32] * 2 + [torch.bfloat16] * 2


def test_positions_that_are_complex_numbers_are_left_alone():
    class ComplexRotaryEmbedding(torch.nn.Module):
        def forward(self, positions):
            return torch.polar(torch.ones_like(positions), positions)

    rotary = ComplexRotaryEmbedding()
    assert fused.cast_positions(torch.nn.Sequential(rotary)) == 1
    with torch.autocast("cpu", torch.bfloat16):
        assert rotary(torch.arange(4.0)).dtype == torch.complex64


def test_a_label_that_has_no_probability_in_fp32_has_its_loss():
    hidden, weight = torch.full((1, 1), 100.0), torch.tensor([[0.0], [2.0]])
    loss = fused.LinearCrossEntropy.apply(hidden.requires_grad_(), weight, torch.tensor([0]), torch.float32)
    assert loss.item() == pytest.approx(200.0)


def test_a_head_that_does_more_than_a_product_is_left_alone():
    assert fused.separable_head(model_of({**GEMMA, "final_logit_softcapping": 1.0})) is None
    assert fused.separable_head(model_of("tinystories-1m")) is not None


def test_generation_with_a_cache_gives_the_same_story():
    prompt = {"input_ids": torch.tensor([[5, 6, 7, 8]])}
    models = [model_of("silly-tiny", name) for name in ("eager", attention.NAME)]
    options = {"max_new_tokens": 20, "do_sample": False, "max_length": None}
    assert torch.equal(*(model.generate(**prompt, **options) for model in models))
