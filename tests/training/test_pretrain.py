"""Pretraining by real commands: what it leaves, resuming after SIGKILL, and mistakes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import load_dataset
from journals import kill
from tiny_runs import arguments, facts, log_of, losses, same_weights, write_texts
from transformers import pipeline

from silly_llm.core.errors import NotInstalledError, RecipeError, RunError
from silly_llm.evaluation.models.causal import LanguageModel, bits_per_byte
from silly_llm.training.callbacks.log import read_lines
from silly_llm.training.checkpoints import check_checkpoint, last_checkpoint
from silly_llm.training.model.models import build_model, model_config
from silly_llm.training.pretrain import main

SHAPE = {
    "max_steps": 30, "optimizer": "adamw", "learning_rate": 0.005, "logging_steps": 5, "eval_steps": 15, "save_steps": 10,
    "sample_prompts": '["Tom had"]', "sample_tokens": 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(stories, tmp_path_factory, silly_llm) -> tuple[Path, str]:
    """A finished training and what it printed."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    done = silly_llm("pretrain", *arguments(stories, folder, **SHAPE))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "it/s" not in done.stdout + done.stderr  # no bars of libraries
    return folder, done.stdout


@pytest.mark.slow
def test_it_learns_and_leaves_a_model_folder_that_transformers_alone_can_use(trained):
    folder, printed = trained
    bits = [line["eval_bits_per_byte"] for line in log_of(folder, "eval_bits_per_byte")]
    assert losses(folder)[-1] < 0.7 * losses(folder)[0] and bits[-1] < bits[0]
    assert log_of(folder)[-1]["tokens"] == 30 * 256 and all(line["seconds"] > 0 for line in log_of(folder))
    assert [s["step"] for s in read_lines(folder / "samples.jsonl")][:1] == [15]
    assert "bits per byte on held-out text" in printed and "try it:" in printed
    card = (folder / "README.md").read_text()
    assert "pipeline_tag: text-generation" in card and "bits per byte" in card.lower()
    tell = pipeline("text-generation", model=str(folder))
    assert "Tom had a" in tell("Tom had a")[0]["generated_text"]
    assert tell.model.config.use_cache and tell.model.dtype.itemsize == 4


@pytest.mark.slow
def test_bits_per_byte_are_those_of_the_evaluation(trained, stories):
    """The number of the training's own evaluation (bf16 or not) is that of `silly-llm evaluate` on the same texts."""
    texts = load_dataset("json", data_files=str(stories), split="train").train_test_split(test_size=3, seed=0)["test"]
    scores = list(LanguageModel.load(str(trained[0]), name="x").score(texts["text"][:]))
    expected = bits_per_byte(sum(s.nats for s in scores), sum(s.bytes for s in scores))
    assert facts(trained[0])["metrics"]["bits_per_byte"] == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
def test_a_finished_training_is_prolonged(trained, stories, tmp_path, capsys):
    """A raised budget goes on from the last checkpoint, other logging makes nothing stale, and notes beside the model stay."""
    folder = tmp_path / "model"
    shutil.copytree(trained[0], folder)
    (folder / "notes.txt").write_text("mine")
    main(arguments(stories, folder, **SHAPE | {"logging_steps": 7, "save_total_limit": 1, "report_to": "none"}))
    assert "is up to date" in capsys.readouterr().out
    other = r"a finished model of another recipe \(learning_rate is 0\.001, was 0\.005\)"
    with pytest.raises(RecipeError, match=other):
        main(arguments(stories, folder, **SHAPE | {"learning_rate": 0.001}))
    main(arguments(stories, folder, **SHAPE | {"max_steps": 34}))
    assert "continues, max_steps is 34, was 30" in capsys.readouterr().out
    steps = [line["step"] for line in log_of(folder, "step")]
    assert steps == sorted(steps) and steps[0] == 5 and steps[-1] == 34 == facts(folder)["steps"]
    assert not same_weights(folder, trained[0]) and (folder / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_killed_after_a_checkpoint_it_ends_with_the_same_weights(trained, stories, tmp_path, capsys):
    folder = tmp_path / "model"
    command = ["pretrain", *arguments(stories, folder, **SHAPE)]
    kill(*command, when=(folder / "checkpoint-10" / "trainer_state.json").is_file)
    assert not (folder / "provenance.json").exists()

    # A full disk at the next save costs nothing that was saved
    limited = ["bash", "-c", 'ulimit -f 100 && exec "$@"', "bash", sys.executable, "-m", "silly_llm.cli", *command]
    full = subprocess.run(limited, capture_output=True, text=True)
    assert full.returncode == 1 and "make room, and the same command continues" in full.stderr, full.stderr[-2000:]
    assert "Traceback" not in full.stderr
    kept = last_checkpoint(folder)
    assert kept is not None and Path(kept).name in ("checkpoint-10", "checkpoint-20")

    main(arguments(stories, folder, **SHAPE))
    assert same_weights(folder, trained[0])
    assert [line["step"] for line in log_of(folder)] == [5, 10, 15, 20, 25, 30]


def test_a_time_limit_ends_the_training_with_the_rate_decayed(stories, tmp_path):
    limit = {"max_minutes": 0.05, "max_steps": None, "lr_scheduler_type": "linear", "warmup_steps": 0}
    main(arguments(stories, tmp_path / "model", logging_steps=1, eval_strategy="no", save_strategy="no", **limit))
    rates = [line["learning_rate"] for line in log_of(tmp_path / "model")]
    assert rates[-1] < 0.35 * max(rates) and rates == sorted(rates, reverse=True)
    assert facts(tmp_path / "model")["training_seconds"] >= 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"tokens_per_step": 500}, "tokens_per_step: must be a multiple of max_length x processes = 32, got 500"),
        ({"per_device_train_batch_size": 3}, "per_device_train_batch_size: must divide the 8 rows"),
        ({"optimizer": "adamv"}, "unknown optimizer 'adamv' (did you mean 'adamw'?)"),
        ({"model": "silly-tini"}, "unknown preset 'silly-tini' (did you mean 'silly-tiny'?)"),
        ({"tokenizer.vocab_size": 100}, "vocab_size: must be at least 262"),
        ({"max_minutes": -1}, "max_minutes: expected a number above 0"),
        ({"dataset": "nowhere.jsonl"}, "no such file: 'nowhere.jsonl'"),
        ({"learning_rate": "fast"}, "learning_rate: expected a number, got 'fast'"),
        (
            {"torch_compile": True, "compile_layers": True},
            "torch_compile compiles the whole model; set only one of them",
        ),
    ],
)
def test_mistakes_are_named_before_anything_is_written(stories, tmp_path, more, message):
    with pytest.raises(RecipeError) as error:
        main(arguments(stories, tmp_path / "model", **more))
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


def test_an_optimizer_of_whole_matrices_is_refused_where_they_are_taken_apart(stories, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(RecipeError, match="optimizer: 'muon' needs whole matrices, which FSDP splits; use adamw"):
        main(arguments(stories, tmp_path / "model", optimizer="muon"))
    with pytest.raises(RecipeError, match="use_cpu: FSDP was asked for, but accelerate does not support it here"):
        main(arguments(stories, tmp_path / "model", optimizer="adamw"))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "stories.jsonl"),
        (["x"], "dataset: too small to hold anything out; name an eval_dataset"),
        (["", " ", None], "dataset: no text in the column 'text'"),
    ],
)
def test_data_that_cannot_be_trained_on_is_named(tmp_path, texts, message):
    with pytest.raises((RecipeError, RunError)) as error:
        main(arguments(write_texts(tmp_path / "stories.jsonl", texts), tmp_path / "model"))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_compiling_without_a_compiler_is_refused_at_start(stories, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NotInstalledError, match=r"torch_compile: .* there is no no-such-compiler"):
        main(arguments(stories, tmp_path / "model", torch_compile=True))


def test_a_checkpoint_of_another_model_is_named(tmp_path):
    sizes = ("silly-tiny", "silly-300k")
    small, large = (build_model(model_config(name, vocab_size=300, max_length=64), 0) for name in sizes)
    small.save_pretrained(tmp_path / "checkpoint-10")
    (tmp_path / "checkpoint-10" / "digests.json").write_text('{"sha256": {}}')
    check_checkpoint(tmp_path / "checkpoint-10", small)
    with pytest.raises(RunError, match="checkpoint-10 is of another model: head_dim is 16, not 32"):
        check_checkpoint(tmp_path / "checkpoint-10", large)
