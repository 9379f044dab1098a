"""What a training shows, logs and reports; that NaN stops it; that schedule-free saves its averages."""

import json
import math
import time
from importlib.util import find_spec
from shutil import copytree

import pytest
import torch
from tiny_runs import arguments, as_if_killed, facts, log_of, losses, same_weights, weights
from torch.utils.flop_counter import FlopCounterMode

from silly_llm.core.errors import RecipeError, RunError
from silly_llm.evaluation.evaluate import main as evaluate
from silly_llm.training.callbacks.throughput import check_trackers
from silly_llm.training.flops import ceiling, data_sheet, training_flops_per_token
from silly_llm.training.model.models import build_model, model_config
from silly_llm.training.pretrain import main
from silly_llm.training.trainers.pretrainer import PackedTrainer


def test_figures_are_in_the_log_and_in_every_tracker(stories, tmp_path, capsys, monkeypatch):
    """Evaluations do not count as training time, and documents that are longer than a row are counted."""
    evaluate = PackedTrainer.evaluate
    monkeypatch.setattr(PackedTrainer, "evaluate", lambda self, *a, **k: time.sleep(1) or evaluate(self, *a, **k))
    texts, folder = tmp_path / "texts.jsonl", tmp_path / "model"
    texts.write_text(stories.read_text() + json.dumps({"text": "Tom had 2 dogs. " * 30}) + "\n")
    tracker = "tensorboard" if find_spec("tensorboard") else "none"
    main(arguments(texts, folder, eval_dataset=stories, eval_steps=6, save_steps=6, report_to=tracker))
    said = facts(folder)
    assert [line["tokens"] for line in log_of(folder)] == [768, 1536, 2304, 3072]
    for line in log_of(folder):
        assert line["tokens_per_second"] > 0 and 0 < line["mfu"] < 1 and line["grad_norm"] > 0
        expected = line["loss"] / math.log(2) * said["tokens_per_byte"]
        assert line["bits_per_byte"] == pytest.approx(expected, rel=1e-3)
    assert said["training_seconds"] > 3072 / said["tokens_per_second"] + 1.9
    state = json.loads((folder / "checkpoint-12" / "trainer_state.json").read_text())
    entries = [entry for entry in state["log_history"] if "loss" in entry]  # what trackers get too
    assert all({"tokens", "tokens_per_second", "mfu", "bits_per_byte"} <= entry.keys() for entry in entries)
    printed = capsys.readouterr().out
    assert all(figure in printed for figure in ("bits/byte", "tokens/s", "MFU", "left"))
    assert "(1 longer than a row: split) in " in printed and said["documents_split"] == 1
    card = (folder / "README.md").read_text()
    assert f"| tokens per byte | {said['tokens_per_byte']} |" in card
    assert "| mfu ceiling | " in card and 0 < said["mfu"] < 1
    if tracker == "tensorboard":
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        (written,) = folder.glob("runs/*")
        events = EventAccumulator(str(written)).Reload()
        tags = {"loss", "tokens_per_second", "mfu", "bits_per_byte", "tokens", "grad_norm"}
        assert {f"train/{tag}" for tag in tags} | {"eval/bits_per_byte"} <= set(events.Tags()["scalars"])
        assert [event.value for event in events.Scalars("train/tokens")] == [768, 1536, 2304, 3072]


def test_trackers_that_are_not_there_are_named(monkeypatch):
    check_trackers("none")
    check_trackers([])
    with pytest.raises(RecipeError, match=r"unknown tracker 'tensorbord' \(did you mean 'tensorboard'\?\)"):
        check_trackers(["tensorbord"])
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(RecipeError, match="clearml is not installed: pip install clearml"):
        check_trackers("clearml")


DIVERGES = {"optimizer": "adamw", "learning_rate": 1e30, "lr_scheduler_type": "constant_with_warmup"}
DIVERGES |= {"max_grad_norm": 0, "eval_strategy": "no"}


def test_a_nan_loss_stops_the_training_and_says_where(stories, tmp_path, in_process):
    """In one line, with exit code 1."""
    argv = arguments(stories, tmp_path / "model", **DIVERGES, warmup_steps=0, save_strategy="no")
    done = in_process("pretrain", *argv)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("silly-llm: the training diverged: the loss became nan between steps 1 and 3 (768 tokens, ")
    assert "learning rate 1e+30, last logged gradient norm" in line and "no checkpoint was saved" in line
    assert not (tmp_path / "model" / "model.safetensors").exists()
    json.loads(json.dumps(log_of(tmp_path / "model", "step")), parse_constant=pytest.fail)


def test_weights_that_are_not_finite_are_never_saved(stories, tmp_path):
    folder = tmp_path / "model"
    with pytest.raises(RunError, match="weights became infinite or NaN") as error:
        main(arguments(stories, folder, **DIVERGES, save_steps=1, logging_steps=100, warmup_steps=3))
    kept = sorted(folder.glob("checkpoint-*"))
    assert kept and all(w.isfinite().all() for checkpoint in kept for w in weights(checkpoint).values())
    assert f"the last good checkpoint is {kept[-1]}" in str(error.value)


def test_schedule_free_saves_the_averaged_weights_and_resumes_from_them(stories, tmp_path):
    pytest.importorskip("schedulefree", reason="the extra [schedulefree] is not installed")
    free = {"optimizer": "schedule_free", "lr_scheduler_type": "constant", "eval_strategy": "no", "save_steps": 6}
    whole, again = tmp_path / "whole", tmp_path / "again"
    main(arguments(stories, whole, **free))
    for number in (6, 12):
        saved = torch.load(whole / f"checkpoint-{number}" / "optimizer.pt", weights_only=True)
        assert not any(group["train_mode"] for group in saved["param_groups"])
    assert same_weights(whole, whole / "checkpoint-12") and losses(whole)[-1] < losses(whole)[0]
    copytree(whole, again)
    as_if_killed(again, 12)
    main(arguments(stories, again, **free))
    assert same_weights(whole, again) and (again / "checkpoint-12").is_dir()


def test_flops_are_those_that_torch_counts():
    """Against torch's own counter, attention counted in full there; embeddings are looked up and heads are not, tied or not."""
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
    neo = {"model_type": "gpt_neo", "hidden_size": 32, "num_layers": 2, "num_heads": 2}
    model = build_model(model_config(neo, vocab_size=300, max_length=16), 0, attn_implementation="eager")
    matrices = 2 * 12 * 32 * 32 + 300 * 32  # the table of positions is looked up
    assert training_flops_per_token(model, 16) == 6 * matrices + 6 * 2 * 32 * 16


def test_ceilings_are_known_by_name_or_measured():
    known = {
        "NVIDIA H200": 989, "NVIDIA H100 80GB HBM3": 989, "NVIDIA H100 PCIe": 756, "NVIDIA H20": 148, "NVIDIA L4": 121,
        "NVIDIA L40S": 362, "NVIDIA A100-SXM4-80GB": 312, "NVIDIA GeForce RTX 4090": 165, "NVIDIA A10": 125,
    }  # fmt: skip
    assert {name: data_sheet(name) / 1e12 for name in known} == known
    assert data_sheet("Tesla K80") is None and data_sheet("NVIDIA A10G") is None
    best, source = ceiling(torch.device("cpu"), torch.float32)
    assert 1e9 < best < 1e15 and "measured" in source


MEASURES = {"type": "evaluation", "metrics": ["perplexity", "completions"], "num_stories": 5, "max_new_tokens": 8}


def test_metrics_of_an_evaluation_are_measured_during_training(stories, tmp_path):
    """What is logged is what `silly-llm evaluate` finds for the model of that step, and the training is the same as without."""
    with_it, without = tmp_path / "with", tmp_path / "without"
    measured = json.dumps([MEASURES | {"dataset": str(stories)}])
    common = {"eval_dataset": stories, "eval_steps": 6, "save_steps": 12}
    main(arguments(stories, with_it, callbacks=measured, metric_for_best_model="eval_ends_by_itself", **common))
    main(arguments(stories, without, **common))
    assert same_weights(with_it, without)
    logged = log_of(with_it, "eval_ends_by_itself")
    assert [line["step"] for line in logged] == [6, 12] and logged[-1]["eval_distinct_2"] > 0
    evaluate(
        [
            "--model",
            str(with_it),
            "--dataset",
            str(stories),
            "--metrics",
            "perplexity",
            "--output_dir",
            str(tmp_path / "out"),
        ]
    )
    found = json.loads((tmp_path / "out" / "results.json").read_text())["models"]["with"]["metrics"]
    assert logged[-1]["eval_bits_per_byte"] == pytest.approx(found["bits_per_byte"]["value"], rel=0.01)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        ("evaluatoin", "did you mean 'evaluation'"),
        ({"type": "evaluation"}, "name the held-out stories"),
        (MEASURES | {"dataset": "nowhere.jsonl"}, r"nowhere\.jsonl"),
        (MEASURES | {"dataset": "stories", "metrics": ["perplexty"]}, "did you mean 'perplexity'"),
        (MEASURES | {"dataset": "stories", "options": {"temprature": 3}}, "did you mean 'temperature'"),
    ],
)
def test_a_wrong_callback_is_one_line_before_anything_is_written(callback, message, stories, tmp_path):
    given = json.dumps([callback]).replace('"stories"', json.dumps(str(stories)))
    with pytest.raises(RecipeError, match=message):
        main(arguments(stories, tmp_path / "model", callbacks=given))
    assert not (tmp_path / "model").exists()
