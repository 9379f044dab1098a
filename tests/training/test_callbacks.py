"""What a training shows, logs and reports; that NaN stops it; that schedule-free saves its averages."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from silly_llm.core.errors import RecipeError, RunError
from silly_llm.training.callbacks.log import Clock, read_lines
from silly_llm.training.callbacks.progress import bar_text
from silly_llm.training.callbacks.throughput import Throughput, check_trackers
from silly_llm.training.flops import ceiling, data_sheet, training_flops_per_token
from silly_llm.training.model.models import build_model, model_config
from silly_llm.training.pretrain import main


@pytest.fixture(scope="module")
def stories(tmp_path_factory) -> Path:
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("stories") / "stories.jsonl"
    texts = [f"Tom had {rng.randint(2, 99)} {rng.choice(('dogs', 'cats', 'hens'))}." for _ in range(200)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def arguments(stories: Path, folder: Path, **more: object) -> list[str]:
    values = {
        "dataset": stories,
        "model": "silly-tiny",
        "tokenizer.vocab_size": 270,
        "max_length": 32,
        "tokens_per_step": 256,
        "max_steps": 12,
        "learning_rate": 0.005,
        "logging_steps": 3,
        "eval_strategy": "steps",
        "eval_steps": 6,
        "save_steps": 6,
        "use_cpu": True,
        "sample_prompts": "[]",
        "output_dir": folder,
    } | more
    return [f"--{key}={value}" for key, value in values.items()]


@pytest.fixture
def alone(monkeypatch):
    """As one process without trackers, and accelerate as new."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def test_figures_are_in_the_log_and_go_through_the_trainer(stories, tmp_path, capsys, alone):
    folder = tmp_path / "model"
    main(arguments(stories, folder))
    log = [line for line in read_lines(folder / "training_log.jsonl") if "loss" in line]
    assert [line["tokens"] for line in log] == [768, 1536, 2304, 3072]
    facts = json.loads((folder / "provenance.json").read_text())
    for line in log:
        assert line["tokens_per_second"] > 0 and 0 < line["mfu"] < 1 and line["grad_norm"] > 0
        expected = line["loss"] / math.log(2) * facts["tokens_per_byte"]
        assert line["bits_per_byte"] == pytest.approx(expected, rel=1e-3)
    (state,) = folder.glob("checkpoint-12/trainer_state.json")
    trackers = [e for e in json.loads(state.read_text())["log_history"] if "loss" in e]  # what trackers get too
    assert all({"tokens", "tokens_per_second", "mfu", "bits_per_byte"} <= entry.keys() for entry in trackers)
    printed = capsys.readouterr().out
    assert "bits/byte" in printed and "tokens/s" in printed and "MFU" in printed and "left" in printed
    card = (folder / "README.md").read_text()
    assert f"| tokens per byte | {facts['tokens_per_byte']} |" in card
    assert "| mfu ceiling | " in card and 0 < facts["mfu"] < 1


def test_documents_longer_than_a_row_are_split_and_counted(stories, tmp_path, capsys, alone):
    path = tmp_path / "long.jsonl"
    path.write_text(stories.read_text() + json.dumps({"text": "Tom had 2 dogs. " * 30}) + "\n")
    shape = {"eval_dataset": stories, "max_steps": 1, "eval_strategy": "no", "save_strategy": "no"}
    main(arguments(path, tmp_path / "model", **shape))
    assert "201 documents (1 longer than a row: split) in " in capsys.readouterr().out
    assert json.loads((tmp_path / "model" / "provenance.json").read_text())["documents_split"] == 1


def test_evaluation_and_checkpoints_do_not_count_as_training_time():
    import time

    state = SimpleNamespace(global_step=0)
    meter = Throughput(lambda s: 100 * s.global_step, flops_per_token=2.0, ceiling=1e4)
    events = {"args": None, "state": state, "control": None}
    meter.on_train_begin(**events)
    meter.on_step_begin(**events)
    time.sleep(0.05)
    state.global_step = 1
    first = meter.figures(state, 1.0)
    assert 0 < first["tokens_per_second"] <= 2000
    assert first["mfu"] == pytest.approx(first["tokens_per_second"] * 2.0 / 1e4, abs=1e-4)
    assert "bits_per_byte" not in first
    meter.on_evaluate(**events)
    time.sleep(1.0)
    meter.on_step_begin(**events)
    time.sleep(0.05)
    state.global_step = 2
    assert meter.figures(state, 1.0)["tokens_per_second"] > 120


def test_tensorboard_gets_them(stories, tmp_path, alone):
    pytest.importorskip("tensorboard", reason="the extra [tensorboard] is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tmp_path / "model"
    main(arguments(stories, folder, report_to="tensorboard"))
    (written,) = folder.glob("runs/*")
    events = EventAccumulator(str(written)).Reload()
    tags = set(events.Tags()["scalars"])
    assert {"train/loss", "train/tokens_per_second", "train/mfu", "train/bits_per_byte"} <= tags
    assert {"train/tokens", "train/grad_norm", "eval/bits_per_byte"} <= tags
    assert [event.value for event in events.Scalars("train/tokens")] == [768, 1536, 2304, 3072]


def test_trackers_that_are_not_there_are_named(monkeypatch):
    check_trackers("none")
    check_trackers([])
    with pytest.raises(RecipeError, match=r"unknown tracker 'tensorbord' \(did you mean 'tensorboard'\?\)"):
        check_trackers(["tensorbord"])
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(RecipeError, match="clearml is not installed: pip install clearml"):
        check_trackers("clearml")


# NaN --------------------------------------------------------------------------------------------------------------------


def finite(folder: Path) -> bool:
    from safetensors.torch import load_file

    return all(w.isfinite().all() for w in load_file(folder / "model.safetensors").values())


DIVERGES = {
    "optimizer": "adamw",
    "learning_rate": 1e30,
    "lr_scheduler_type": "constant_with_warmup",
    "max_grad_norm": 0,
}


def test_a_nan_loss_stops_the_training_and_says_where(stories, tmp_path, alone):
    folder = tmp_path / "model"
    with pytest.raises(RunError) as error:
        main(arguments(stories, folder, **DIVERGES, warmup_steps=0, save_strategy="no", eval_strategy="no"))
    message = str(error.value)
    assert "\n" not in message and "the loss became nan between steps 1 and 3 (768 tokens, " in message
    assert "learning rate 1e+30, last logged gradient norm" in message and "no checkpoint was saved" in message
    assert not (folder / "model.safetensors").exists()
    json.loads(json.dumps(read_lines(folder / "training_log.jsonl")), parse_constant=pytest.fail)


def test_weights_that_are_no_numbers_are_never_saved(stories, tmp_path, alone):
    folder = tmp_path / "model"
    shape = {"save_steps": 1, "logging_steps": 100, "eval_strategy": "no", "warmup_steps": 3}
    with pytest.raises(RunError, match="weights became infinite or NaN") as error:
        main(arguments(stories, folder, **DIVERGES, **shape))
    kept = sorted(folder.glob("checkpoint-*"))
    assert kept and all(finite(checkpoint) for checkpoint in kept)
    assert f"the last good checkpoint is {kept[-1]}" in str(error.value)


def test_the_command_ends_with_one_line_and_exit_code_1(stories, tmp_path):
    command = [sys.executable, "-m", "silly_llm.training.pretrain"]
    command += arguments(stories, tmp_path / "model", **DIVERGES, save_strategy="no")
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("silly-llm: the training diverged: the loss became nan")


# Schedule-free ----------------------------------------------------------------------------------------------------------


def test_schedule_free_saves_the_averaged_weights_and_resumes_from_them(stories, tmp_path, alone):
    pytest.importorskip("schedulefree", reason="the extra [schedulefree] is not installed")
    from safetensors.torch import load_file

    free: dict = {"optimizer": "schedule_free", "lr_scheduler_type": "constant", "eval_strategy": "no"}
    free["save_total_limit"] = 2
    whole = tmp_path / "whole"
    main(arguments(stories, whole, **free))
    for number in (6, 12):
        saved = torch.load(whole / f"checkpoint-{number}" / "optimizer.pt", weights_only=True)
        assert not any(group["train_mode"] for group in saved["param_groups"])
    final, last = (load_file(whole / "model.safetensors"), load_file(whole / "checkpoint-12" / "model.safetensors"))
    assert all(torch.equal(final[name], last[name]) for name in final)
    log = [line["loss"] for line in read_lines(whole / "training_log.jsonl") if "loss" in line]
    assert log[-1] < log[0]

    # As if it had been killed after step 6
    shutil.rmtree(whole / "checkpoint-12")
    run = whole / ".silly" / "run.json"
    run.write_text(json.dumps(json.loads(run.read_text()) | {"finished": False}))
    main(arguments(stories, whole, **free))
    resumed = load_file(whole / "model.safetensors")
    assert all(torch.equal(final[name], resumed[name]) for name in final)
    assert (whole / "checkpoint-12").is_dir()


# Sight ------------------------------------------------------------------------------------------------------------------


def test_a_narrow_terminal_shows_the_first_figures_whole():
    figures = {"loss": 2.0, "bits_per_byte": 0.9, "eval_bits_per_byte": 0.95, "tokens_per_second": 12345.6}
    wide = bar_text(0.42, 83, figures | {"mfu": 0.31})
    assert wide == " 42% · 1 min 23 s left · eval 0.950 bits/byte · 0.900 bits/byte · 12,346 tokens/s · MFU 31%"
    assert bar_text(0.42, 83, figures, 45) == " 42% · 1 min 23 s left · eval 0.950 bits/byte"
    assert bar_text(0.42, 83, figures, 10) == " 42%"
    assert bar_text(0.0, math.inf, {"loss": 2.0}) == "  0% · loss 2.000"


def test_time_left_is_by_the_clock_over_all_attempts():
    clock = Clock()
    clock.before = 300.0
    assert clock.left(0.75) == pytest.approx(100, abs=1)
    assert clock.left(0.0) == math.inf


# FLOPs ------------------------------------------------------------------------------------------------------------------


def test_flops_are_those_that_torch_counts():
    """Against torch's own counter, on an untied model without windows, attention counted in full there."""
    from torch.utils.flop_counter import FlopCounterMode

    length = 32
    for tied in (True, False):
        spec = {"preset": "silly-300k", "tie_word_embeddings": tied}
        model = build_model(model_config(spec, vocab_size=300, max_length=length), 0, attn_implementation="eager")
        ids = torch.randint(300, (2, length))
        with FlopCounterMode(display=False) as counter:
            model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        config = model.config
        other_half = 6 * config.num_hidden_layers * config.hidden_size * length
        expected = training_flops_per_token(model, length) + other_half
        assert counter.get_total_flops() / ids.numel() == pytest.approx(expected, rel=0.01)


def test_embeddings_are_looked_up_and_heads_are_not():
    def cost(spec):
        model = build_model(model_config(spec, vocab_size=300, max_length=16), 0, attn_implementation="eager")
        return training_flops_per_token(model, 16)

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    assert cost(sizes) == cost({**sizes, "tie_word_embeddings": False})
    neo = {"model_type": "gpt_neo", "hidden_size": 32, "num_layers": 2, "num_heads": 2}
    matrices = 2 * 12 * 32 * 32 + 300 * 32  # the table of positions is looked up
    assert cost(neo) == 6 * matrices + 6 * 2 * 32 * 16


def test_ceilings_are_known_by_name_or_measured():
    known = {
        "NVIDIA H200": 989, "NVIDIA H100 80GB HBM3": 989, "NVIDIA H100 PCIe": 756, "NVIDIA H20": 148, "NVIDIA L4": 121,
        "NVIDIA L40S": 362, "NVIDIA A100-SXM4-80GB": 312, "NVIDIA GeForce RTX 4090": 165, "NVIDIA A10": 125,
    }  # fmt: skip
    assert {name: data_sheet(name) / 1e12 for name in known} == known
    assert data_sheet("Tesla K80") is None and data_sheet("NVIDIA A10G") is None
    best, source = ceiling(torch.device("cpu"), torch.float32)
    assert 1e9 < best < 1e15 and "measured" in source
