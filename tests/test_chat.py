"""`silly-llm chat` as people meet it: a process with a terminal's streams."""

import os
import subprocess
import sys
import time

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from silly_llm.commands.chat import HINT_BASE, HINT_TUNED, Talker, main
from silly_llm.core.errors import RecipeError

SPECIAL = ["<|bos|>", "<|eos|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>"]


def make_model(folder, chat_template=None):
    """A tiny random model that never ends a text by itself, and a byte tokenizer."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *alphabet])}
    backend = Tokenizer(models.BPE(vocabulary, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    names = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, extra_special_tokens=SPECIAL[3:], chat_template=chat_template, **names
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    from silly_llm.training.model.chat import default_template

    return make_model(tmp_path_factory.mktemp("tuned"), default_template())


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("base"))


def chat(*argv, typed=""):
    return subprocess.run(
        [sys.executable, "-m", "silly_llm.cli", "chat", *map(str, argv)],
        input=typed,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )


def test_talk_until_the_input_ends(tuned):
    done = chat(tuned, "--max_new_tokens", 5, "--seed", 1, typed="Words: dog, jump, happy\nWords: cat\n")
    assert done.returncode == 0, done.stderr
    assert HINT_TUNED in done.stdout and done.stdout.endswith("Bye!\n")
    assert "<|" not in done.stdout


def test_prompt_answers_once(tuned, capsys):
    texts = []
    for seed in (1, 1, 2):
        main([str(tuned), "--prompt", "Words: dog", "--max_new_tokens", "12", "--seed", str(seed)])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert "Words" not in texts[0]


def test_base_model_continues(base, capsys):
    main([str(base), "--prompt", "Once upon", "--max_new_tokens", "5", "--temperature", "0"])
    assert capsys.readouterr().out.startswith("Once upon")
    assert Talker.load(str(base), 1.0, 1.0, 5).hint == HINT_BASE


def test_prompt_longer_than_the_context(base):
    with pytest.raises(RecipeError, match="more than the model can take in"):
        main([str(base), "--prompt", "a" * 100])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nowhere"], "nowhere: no such folder, and no model of the Hub can be loaded"),
        (["./no/where"], "no such file or folder"),
        (["."], "holds no model"),
        ([], "MODEL"),
        (["x", "--temperature", "-1"], "temperature"),
        (["x", "--temprature", "1"], "temprature"),
    ],
)
def test_what_is_wrong_takes_one_line_and_code_2(tmp_path, monkeypatch, argv, message, capsys):
    from silly_llm.core.launch import run_main

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run_main(main, argv)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error and error.count("\n") == 1


def test_help_is_instant():
    begin = time.monotonic()
    done = chat("--help")
    assert done.returncode == 0 and "MODEL" in done.stdout
    assert time.monotonic() - begin < 2  # a loaded machine; torch alone takes longer
