"""Pretraining by real commands: what it leaves, resuming after SIGKILL, two processes, and mistakes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from locations import ROOT

from silly_llm.training.callbacks.log import read_lines
from silly_llm.training.checkpoints import last_checkpoint

NAMES, PETS = ("Tom", "Mia", "Ben", "Zoe"), ("dog", "cat", "hen", "fox")


@pytest.fixture(scope="module")
def stories(tmp_path_factory) -> Path:
    """400 short texts of a few words: learned in seconds."""
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("stories") / "stories.jsonl"
    lines = []
    for _ in range(400):
        name, pet = rng.choice(NAMES), rng.choice(PETS)
        lines.append(
            f"{name} had a {pet}. The {pet} ran away. {name} was sad. Then the {pet} came back and {name} was happy."
        )
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in lines))
    return path


def arguments(stories: Path, folder: Path, **more: object) -> list[str]:
    values = {
        "dataset": stories,
        "model": "silly-tiny",
        "tokenizer.vocab_size": 310,
        "max_length": 64,
        "tokens_per_step": 512,
        "max_steps": 30,
        "optimizer": "adamw",
        "learning_rate": 0.005,
        "logging_steps": 5,
        "eval_strategy": "steps",
        "eval_steps": 15,
        "save_steps": 10,
        "save_total_limit": 2,
        "sample_tokens": 20,
        "output_dir": folder,
    } | more
    return [f"--{key}={value}" for key, value in values.items()]


@pytest.fixture(scope="module")
def trained(stories, tmp_path_factory) -> tuple[Path, str]:
    """A finished training and what it printed."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    command = [sys.executable, "-m", "silly_llm.training.pretrain", *arguments(stories, folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, done.stdout


def weights(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.slow
def test_it_learns_and_leaves_a_model_folder_that_transformers_alone_can_use(trained):
    folder, printed = trained
    log = read_lines(folder / "training_log.jsonl")
    losses = [line["loss"] for line in log if "loss" in line]
    bits = [line["eval_bits_per_byte"] for line in log if "eval_bits_per_byte" in line]
    assert losses[-1] < 0.7 * losses[0] and bits[-1] < bits[0]
    assert log[-1]["tokens"] == 30 * 512 and all(line["seconds"] > 0 for line in log)
    assert [s["step"] for s in read_lines(folder / "samples.jsonl")][:1] == [15]
    assert "bits per byte on held-out text" in printed and "try it:" in printed
    card = (folder / "README.md").read_text()
    assert "pipeline_tag: text-generation" in card and "bits per byte" in card.lower()
    code = (
        "from transformers import pipeline, AutoTokenizer\n"
        f"tell = pipeline('text-generation', model={str(folder)!r})\n"
        "print(tell('Tom had a')[0]['generated_text'])\n"
        "assert tell.model.config.use_cache and tell.model.dtype.itemsize == 4\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 0 and "Tom had a" in told.stdout, told.stderr[-2000:]


@pytest.mark.slow
def test_bits_per_byte_are_those_of_the_evaluation(trained, stories, tmp_path):
    """The number of the training's own evaluation (bf16 or not) is that of `silly-llm evaluate` on the same texts."""
    from datasets import load_dataset

    from silly_llm.evaluation.model import LanguageModel, bits_per_byte

    folder, _ = trained
    texts = load_dataset("json", data_files=str(stories), split="train").train_test_split(test_size=8, seed=0)["test"][
        "text"
    ]
    scores = list(LanguageModel.load(str(folder), name="x").score(texts[:]))
    measured = json.loads((folder / "provenance.json").read_text())["metrics"]["bits_per_byte"]
    assert measured == pytest.approx(
        bits_per_byte(sum(s.nats for s in scores), sum(s.bytes for s in scores)), rel=0.01
    )


@pytest.mark.slow
def test_a_finished_training_is_prolonged(trained, stories, tmp_path, capsys):
    """A raised budget goes on from the last checkpoint, other logging makes nothing stale, and notes beside the model stay."""
    import shutil

    from silly_llm.core.errors import RecipeError
    from silly_llm.training.pretrain import main

    folder = tmp_path / "model"
    shutil.copytree(trained[0], folder)
    (folder / "notes.txt").write_text("mine")
    before = weights(folder)
    main(arguments(stories, folder, logging_steps=7, save_total_limit=1, report_to="none"))
    assert "is up to date" in capsys.readouterr().out
    with pytest.raises(
        RecipeError, match=r"a finished model of another recipe \(learning_rate is 0\.001, was 0\.005\)"
    ):
        main(arguments(stories, folder, learning_rate=0.001))
    main(arguments(stories, folder, max_steps=34))
    assert "goes on, max_steps is 34, was 30" in capsys.readouterr().out
    steps = [line["step"] for line in read_lines(folder / "training_log.jsonl")]
    assert steps == sorted(steps) and steps[0] == 5 and steps[-1] == 34
    assert json.loads((folder / "provenance.json").read_text())["steps"] == 34
    assert any((before[name] != tensor).any() for name, tensor in weights(folder).items())
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_killed_after_a_checkpoint_it_ends_with_the_same_weights(trained, stories, tmp_path):
    folder = tmp_path / "model"
    command = [sys.executable, "-m", "silly_llm.cli", "pretrain", *arguments(stories, folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not (folder / "checkpoint-10" / "trainer_state.json").is_file():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "provenance.json").exists()

    # A full disk at the next save costs nothing that was saved
    limited = ["bash", "-c", 'ulimit -f 100 && exec "$@"', "bash", *command]
    full = subprocess.run(limited, capture_output=True, text=True)
    assert full.returncode == 1 and "make room, and the same command continues" in full.stderr, full.stderr[-2000:]
    assert "Traceback" not in full.stderr
    kept = last_checkpoint(folder)
    assert kept is not None and Path(kept).name in ("checkpoint-10", "checkpoint-20")

    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr[-2000:]
    ours, theirs = weights(folder), weights(trained[0])
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    log = [line for line in read_lines(folder / "training_log.jsonl") if "loss" in line]
    assert [line["step"] for line in log] == [5, 10, 15, 20, 25, 30]
    once_more = subprocess.run(command, capture_output=True, text=True)
    assert once_more.returncode == 0 and "is up to date" in once_more.stdout


def launch(config: str, stories: Path, folder: Path, **more: object) -> Path:
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        ROOT / "accelerate_configs" / f"{config}.yaml",
    ]
    command += ["--num_processes", "2", "--num_cpu_threads_per_process", "1", "--main_process_port", "0"]
    command += [ROOT / "scripts" / "pretrain.py", *arguments(stories, folder, **more)]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return folder


@pytest.mark.slow
def test_muon_is_refused_where_matrices_are_taken_apart(stories, tmp_path):
    pytest.importorskip("deepspeed", reason="the extra [deepspeed] is not installed")
    with pytest.raises(AssertionError, match="needs whole matrices, which DeepSpeed takes apart; use adamw"):
        launch("zero2", stories, tmp_path / "x", optimizer="muon", bf16=False, use_cpu=True)


@pytest.mark.slow
def test_a_time_limit_ends_the_training_with_the_rate_decayed(stories, tmp_path):
    folder = tmp_path / "model"
    limited = arguments(
        stories,
        folder,
        max_minutes=0.15,
        lr_scheduler_type="linear",
        warmup_steps=0,
        logging_steps=1,
        optimizer="muon",
    )
    limited = [a for a in limited if not a.startswith("--max_steps")]
    done = subprocess.run(
        [sys.executable, "-m", "silly_llm.training.pretrain", *limited], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "it/s" not in done.stdout + done.stderr  # no bars, though libraries were imported first
    rates = [line["learning_rate"] for line in read_lines(folder / "training_log.jsonl") if "learning_rate" in line]
    assert rates[-1] < 0.35 * max(rates) and rates == sorted(rates, reverse=True)
    assert 8 < json.loads((folder / "provenance.json").read_text())["training_seconds"] < 60


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"tokens_per_step": 500}, "tokens_per_step: must be a multiple of max_length x processes = 64, got 500"),
        ({"per_device_train_batch_size": 3}, "per_device_train_batch_size: must divide the 8 rows"),
        ({"optimizer": "adamv"}, "unknown optimizer 'adamv' (did you mean 'adamw'?)"),
        ({"model": "silly-tini"}, "unknown preset 'silly-tini' (did you mean 'silly-tiny'?)"),
        ({"tokenizer.vocab_size": 100}, "vocab_size: must be at least 262"),
        ({"max_minutes": -1}, "max_minutes: expected a number above 0"),
        ({"dataset": "nowhere.jsonl"}, "no such file: 'nowhere.jsonl'"),
        ({"learning_rate": "fast"}, "learning_rate: expected a number, got 'fast'"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(stories, tmp_path, more, message):
    from silly_llm.core.errors import RecipeError
    from silly_llm.training.pretrain import main

    with pytest.raises(RecipeError) as error:
        main(arguments(stories, tmp_path / "model", **more))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "stories.jsonl"),
        (["x"], "dataset: too small to hold anything out; name an eval_dataset"),
        (["", "", ""], "dataset: no text in the column 'text'"),
    ],
)
def test_data_that_cannot_be_trained_on_is_named(tmp_path, texts, message):
    from silly_llm.core.errors import RecipeError, RunError
    from silly_llm.training.pretrain import main

    path = tmp_path / "stories.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    with pytest.raises((RecipeError, RunError)) as error:
        main(arguments(path, tmp_path / "model"))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_compiling_without_a_compiler_is_refused_at_start(stories, tmp_path, monkeypatch):
    from silly_llm.core.errors import NotInstalledError
    from silly_llm.training.pretrain import main

    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NotInstalledError, match=r"torch_compile: .* there is no no-such-compiler"):
        main(arguments(stories, tmp_path / "model", torch_compile=True))


def test_a_checkpoint_of_another_model_is_named(tmp_path):
    from silly_llm.core.errors import RunError
    from silly_llm.training.checkpoints import check_checkpoint
    from silly_llm.training.model.models import build_model, model_config

    small, large = (
        build_model(model_config(name, vocab_size=300, max_length=64), 0) for name in ("silly-tiny", "silly-300k")
    )
    small.save_pretrained(tmp_path / "checkpoint-10")
    (tmp_path / "checkpoint-10" / "trainer_state.json").write_text("{}")
    check_checkpoint(tmp_path / "checkpoint-10", small)
    with pytest.raises(RunError, match="checkpoint-10 is of another model: head_dim is 16 there, 32 here"):
        check_checkpoint(tmp_path / "checkpoint-10", large)


def test_the_checkpoint_of_a_chained_optimizer_restores_it(tmp_path):
    import torch

    from silly_llm.core.container import Container
    from silly_llm.training.model.models import build_model, model_config
    from silly_llm.training.pretrain_config import PretrainArguments

    def setup():
        model = build_model(model_config("silly-tiny", vocab_size=300, max_length=16), 0)
        optimizer = Container().build("optimizer", "muon").create(model, args)
        return model, optimizer

    def step(model, optimizer, seed):
        ids = torch.randint(300, (2, 16), generator=torch.Generator().manual_seed(seed))
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    args = PretrainArguments(dataset="x", output_dir=str(tmp_path))
    model, optimizer = setup()
    step(model, optimizer, 1)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
    step(model, optimizer, 2)
    other, restored = setup()
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    other.load_state_dict(state["model"])
    restored.load_state_dict(state["optimizer"])
    for group in restored.param_groups:
        assert any(group is g for part in restored.optimizers for g in part.param_groups)
    step(other, restored, 2)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
