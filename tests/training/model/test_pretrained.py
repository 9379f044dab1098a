"""Pretraining that continues from a model: it begins with that model's own bits per byte, and what cannot be continued is refused in one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from folders import save_tiny_model
from safetensors.torch import load_file, save_file
from servers.local_hub import LocalHub
from tiny_runs import arguments as tiny
from tiny_runs import facts, log_of, write_texts
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM

from silly_llm.core.errors import RecipeError, RunError
from silly_llm.evaluation.models.causal import LanguageModel, bits_per_byte
from silly_llm.training.model.pretrained import Pretrained, pretrained_of
from silly_llm.training.pretrain import main

TEXTS = [f"A {colour} {thing} sat." for colour in ("red", "blue", "green") for thing in ("cat", "dog", "hen", "fox")]


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    return write_texts(tmp_path_factory.mktemp("texts") / "new.jsonl", TEXTS * 8)


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    return save_tiny_model(folder / "model", folder)


def remake(source: Path, folder: Path, kind: str) -> Path:
    """The tokenizer of `source` beside a model of another kind, in bf16, with what is usual there."""
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.pad_token = None
    tokenizer.bos_token = tokenizer.eos_token if kind == "gpt2" else None
    ids = {"bos_token_id": 1, "eos_token_id": 1}
    torch.manual_seed(1)
    if kind == "gpt2":  # begin is end, nothing is padding
        sizes = {"vocab_size": len(tokenizer), "n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
        model = GPT2LMHeadModel(GPT2Config(**sizes, **ids))
    else:  # no begin of its own, and an embedding with rows to spare
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        model = GPTNeoXForCausalLM(GPTNeoXConfig(vocab_size=320, max_position_embeddings=64, **sizes, **ids))
    model.bfloat16().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def arguments(base: object, texts: Path, folder: Path, **more: object) -> list[str]:
    values = {
        "model": None, "tokenizer.vocab_size": None, "model.pretrained": base, "eval_dataset": texts, "max_steps": 8, "learning_rate": 0.01,
        "save_strategy": "no", "bf16": False, "sample_prompts": '["A red"]', "sample_tokens": 8,
    }  # fmt: skip
    return tiny(texts, folder, **values | more)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gpt_neox"])
def test_it_begins_where_the_model_is_and_learns_the_new_text(llama, texts, tmp_path, capsys, kind):
    base = llama if kind == "llama" else remake(llama, tmp_path / "base", kind)
    folder = tmp_path / "out"
    main(arguments(base, texts, folder, streaming=kind == "gpt2"))
    bits = [line["eval_bits_per_byte"] for line in log_of(folder, "eval_loss")]
    own = list(LanguageModel.load(str(base), name="x", context=32).score(TEXTS))
    assert bits[0] == pytest.approx(bits_per_byte(sum(s.nats for s in own), sum(s.bytes for s in own)), rel=1e-4)
    assert bits[-1] < bits[0] - 0.3

    told = LanguageModel.load(str(folder), name="y", context=32)
    assert told.model.dtype.itemsize == 4 and told.model.config.model_type == kind
    assert told.model.config.max_position_embeddings == 64  # its positions stay
    before = (base / "tokenizer.json").read_text()
    assert json.loads((folder / "tokenizer.json").read_text())["model"] == json.loads(before)["model"]
    assert facts(folder)["base_model"] == str(base) and str(base) in facts(folder)["inputs"]
    assert str(base) in (folder / "README.md").read_text()
    printed = capsys.readouterr().out
    assert f"continues from {base}" in printed and "→" in printed


@pytest.mark.slow
def test_from_the_hub_at_a_revision(llama, texts, tmp_path, python):
    code = (
        "import sys; from huggingface_hub import HfApi; api = HfApi(); api.create_repo('alice/tiny')\n"
        "api.create_branch('alice/tiny', branch='old')\n"
        "api.upload_folder(folder_path=sys.argv[1], repo_id='alice/tiny', revision='old')\n"
        "from silly_llm.training.pretrain import main; main(sys.argv[2:])\n"
        "print('COMMIT', api.model_info('alice/tiny', revision='old').sha)\n"
    )
    more = {"model.revision": "old", "eval_strategy": "no", "max_steps": 1}
    given = [llama, *arguments("alice/tiny", texts, tmp_path / "out", **more)]
    with LocalHub(tmp_path / "hub") as hub:
        done = python(code, *given, HF_HUB_OFFLINE="0", **hub.env(tmp_path / "hf"))
    said = facts(tmp_path / "out")
    assert (said["base_model"], said["base_commit"]) == ("alice/tiny", done.stdout.split()[-1])
    assert "base_model: alice/tiny" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("config", "more", "message"),
    [
        ({"adapter": True}, {}, "is an adapter, not a model; merge it first"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, {}, "is quantized"),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, {}, "is not a causal language model (BertForMaskedLM)"),
        ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}, {}, "is not a causal language model"),
        ({"auto_map": {"AutoConfig": "x.X"}, "model_type": "mine"}, {}, "cannot load"),
        ({"vocab_size": 200}, {}, "has ids up to 258, its embedding 200 rows"),
        ({}, {"max_length": 128}, "max_length: 128 is more than the 64 positions of"),
        ({}, {"model.hidden_size": 32}, "model: hidden_size: cannot be changed for a pretrained model"),
        ({}, {"model.preset": "silly-1m"}, "model: preset: cannot be changed for a pretrained model"),
        ({}, {"model.revision": "main"}, "is a folder, which has none"),
        ({}, {"tokenizer.vocab_size": 300}, "tokenizer: a pretrained model keeps its own"),
        ({}, {"base_width": 64}, "base_width: scales the weights of a new model"),
        ({}, {"model.pretrained": "./nowhere"}, "./nowhere: no such file or folder (looked for /"),
    ],
)  # fmt: skip
def test_what_cannot_be_continued_is_named_before_anything_is_written(llama, texts, tmp_path, config, more, message):
    base = shutil.copytree(llama, tmp_path / "base")
    if config.pop("adapter", False):
        (base / "adapter_config.json").write_text("{}")
    (base / "config.json").write_text(json.dumps(json.loads((base / "config.json").read_text()) | config))
    with pytest.raises(RecipeError) as error:
        main(arguments(base, texts, tmp_path / "out", **more))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_weights_that_are_missing_are_not_made_up(llama, texts, tmp_path):
    base = shutil.copytree(llama, tmp_path / "base")
    weights = load_file(llama / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(RunError, match=r"lacks 1 of its weights \(model.norm.weight …\)"):
        main(arguments(base, texts, tmp_path / "out"))


def test_text_names_a_preset_a_folder_or_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("silly-1m", "mine"):
        Path(name).mkdir()
    assert pretrained_of("silly-1m") is None and pretrained_of("gpt2") is None  # a preset, and perhaps one misspelled
    assert pretrained_of("mine") == Pretrained("mine")
    assert pretrained_of("someone/model") == Pretrained("someone/model")
    assert pretrained_of({"pretrained": "gpt2", "revision": "v1"}) == Pretrained("gpt2", "v1")
    assert pretrained_of({"pretrained": None, "preset": "silly-1m"}) is None
