"""Sweeps by real commands on a tiny model: interrupted, continued, done, a failed point; and what a sweep's file may say."""

import csv
import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from journals import kill
from tiny import jsonl

from silly_llm.commands.sweep.jobs import environment, reason_of
from silly_llm.commands.sweep.plots import draw, envelope, free_dimensions
from silly_llm.commands.sweep.points import read_sweep
from silly_llm.commands.sweep.results import Group, curve, group, markdown_table, verdicts
from silly_llm.core.errors import RecipeError
from silly_llm.core.pages.plots import read_log

RECIPE = {"model": "silly-tiny", "tokenizer": {"vocab_size": 280}, "max_length": 64, "tokens_per_step": 256}
RECIPE |= {"max_steps": 12, "learning_rate": 0.005, "logging_steps": 4, "eval_strategy": "steps", "eval_steps": 4}
RECIPE |= {"save_steps": 4, "save_total_limit": 1, "sample_prompts": []}
GRID = {"model.num_hidden_layers": [1, 2], "seed": [0, 1]}


def folder_of(place: Path, sweep: dict, **recipe: object) -> Path:
    """A recipe folder with a sweep over a few stories; the sweep's file."""
    texts = [f"{name} had a {pet}. The {pet} ran." for name in ("Tom", "Mia", "Ben") for pet in ("cat", "dog")]
    for name in ("train", "held-out"):
        jsonl(place / f"{name}.jsonl", [{"text": text} for text in texts * (20 if name == "train" else 1)])
    data = {"dataset": str(place / "train.jsonl"), "eval_dataset": str(place / "held-out.jsonl")}
    (place / "pretrain.json").write_text(json.dumps({**RECIPE, **data, **recipe}))
    file = place / "sweep.json"
    # a preset inside a mapping, so that the grid can change a part of it
    file.write_text(json.dumps({"recipe": "pretrain.json", "set": {"model": {"preset": "silly-tiny"}}, **sweep}))
    return file


@pytest.fixture(scope="module")
def swept(tmp_path_factory, silly_llm) -> tuple[Path, Path, str]:
    """A sweep that was stopped by Ctrl-C within its first point and then finished by the same command: file, folder, what it printed."""
    place = tmp_path_factory.mktemp("swept")
    file, folder = folder_of(place, {"grid": GRID}), place / "out"
    command = ["sweep", "--config", file, "--output_dir", folder]
    first = folder / "points" / "num_hidden_layers-1_seed-0"
    code, said = kill(*command, when=lambda: list(first.glob("checkpoint-*")), by=signal.SIGINT)
    assert "the same command continues" in said and code == 130 and not (first / "provenance.json").exists()

    done = silly_llm(*command, "--jobs", 2)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "continues   num_hidden_layers-1_seed-0" in done.stdout
    return file, folder, done.stdout


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_sweep_leaves_rows_a_table_over_seeds_and_plots(swept):
    _, folder, printed = swept
    rows = rows_of(folder)
    assert [r["point"] for r in rows] == [f"num_hidden_layers-{n}_seed-{s}" for s in (0, 1) for n in (1, 2)]
    for row in rows:
        assert (row["layers"], row["width"], row["heads"]) == (row["model.num_hidden_layers"], 32, 2)
        assert row["parameters"] - row["non_embedding_parameters"] == 280 * 32  # tied: counted once
        assert row["tokens"] == 12 * 256 and row["compute"] == 6 * row["non_embedding_parameters"] * row["tokens"]
        assert row["bits_per_byte"] > 0 and row["loss"] > 0 and row["seconds"] > 0
        assert [line["tokens"] for line in read_log(Path(row["folder"])) if "eval_loss" in line] == [1024, 2048, 3072]
    table = csv.DictReader((folder / "results.csv").read_text().splitlines())
    assert [float(r["bits_per_byte"]) for r in table] == [r["bits_per_byte"] for r in rows]
    two = [r["bits_per_byte"] for r in rows if r["layers"] == 2]
    half = 12.706 * abs(two[0] - two[1]) / 2  # t(0.975, 1) · s / √2
    page = (folder / "README.md").read_text()
    assert f"{sum(two) / 2:.3f} ± {half:.3f}" in page and "Student's t" in page
    for name in ("compute", "layers"):
        assert f"(plots/{name}.png)" in page and (folder / "plots" / f"{name}.svg").stat().st_size > 5000
        assert (folder / "plots" / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
    assert f"Report: {folder / 'README.md'}" in printed and "Failed" not in page


@pytest.mark.slow
def test_again_it_runs_only_what_is_missing_and_comes_to_the_same(swept, silly_llm):
    file, folder, _ = swept
    before = rows_of(folder)
    shutil.rmtree(folder / "points" / "num_hidden_layers-2_seed-1")
    again = silly_llm("sweep", "--config", file, "--output_dir", folder)
    assert again.returncode == 0, again.stderr
    assert "3 done" in again.stdout and again.stdout.count("▸ ") == 1 and "1 trainings" in again.stdout
    assert [r["bits_per_byte"] for r in rows_of(folder)] == [r["bits_per_byte"] for r in before]


@pytest.mark.slow
def test_a_failed_point_does_not_stop_the_others_and_is_tried_again(silly_llm, tmp_path):
    runs = [{"name": "greedy", "text_column": "nothing"}, {"name": "modest", "max_steps": 4}]
    file = folder_of(tmp_path, {"runs": runs, "jobs": 2, "output_dir": str(tmp_path / "out")})
    done = silly_llm("sweep", "--config", file)
    assert done.returncode == 1 and "1 of 2 points failed; run the same command to retry them" in done.stderr
    assert [row["point"] for row in rows_of(tmp_path / "out")] == ["modest"]
    assert "✗ greedy: " in done.stdout and "[modest] " in done.stdout
    reason = (tmp_path / "out" / "points" / "greedy.log").read_text()
    assert "text_column" in reason and "`greedy`: " in (tmp_path / "out" / "README.md").read_text()
    again = silly_llm("sweep", "--config", file, "--dry_run")
    assert "1 done" in again.stdout and "continues   greedy" in again.stdout


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("out", ["sweep.json: learning_rat-0.002: ", "(did you mean 'learning_rate'?)"]),
        ("", ["is not empty and holds no output of `silly-llm sweep`"]),  # of something else
    ],
)
def test_a_typo_in_one_point_or_a_foreign_folder_is_one_line_and_writes_nothing(in_process, tmp_path, folder, said):
    file = folder_of(tmp_path, {"runs": [{"learning_rate": 0.001}, {"learning_rat": 0.002}]})
    wrong = in_process("sweep", "--config", file, "--output_dir", tmp_path / folder)
    assert wrong.returncode == 2 and len(wrong.stderr.splitlines()) == 1, wrong.stderr
    assert all(message in wrong.stderr for message in said)
    assert not (tmp_path / "out").exists() and not (tmp_path / "points").exists()


def test_points_are_runs_times_grid_with_the_first_seed_of_each_first(tmp_path):
    runs = [{"model": {"hidden_size": 32, "num_attention_heads": 2}}, {"name": "wide", "model.hidden_size": 64}]
    file = folder_of(tmp_path, {"runs": runs, "grid": {"learning_rate": [1e-5, 0.01], "seed": [0, 1]}})
    sweep = read_sweep(["--config", str(file), "--output_root", str(tmp_path / "runs"), "--grid.seed=[5,6]"])
    assert sweep.folder == tmp_path / "runs" / tmp_path.name / "sweep" and sweep.phase.command == "pretrain"
    assert [p.name for p in sweep.points] == [
        f"{run}_learning_rate-{rate}_seed-{seed}"
        for seed in (5, 6)
        for run in ("hidden_size-32_num_attention_heads-2", "wide")
        for rate in ("1e-05", "0.01")
    ]
    last = sweep.points[-1]
    assert last.labels == {"run": "wide", "learning_rate": 0.01, "seed": 6}
    assert last.values == {"model.hidden_size": 64, "learning_rate": 0.01, "seed": 6}
    assert "--learning_rate:=0.01" in last.argv and '--model.preset:="silly-tiny"' in last.argv


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"grid": {"seed": [0, 0]}}, "two points are identical: seed-0"),
        ({"grid": {"seed": []}}, "grid: seed: no values"),
        ({}, "nothing varies"),
        ({"gird": {"seed": [0]}}, r"unknown key 'gird' \(did you mean 'grid'\?\)"),
        ({"grid": {"seed": [0]}, "jobs": 0}, "jobs: expected a number above 0"),
        ({"grid": {"model": ["x"]}}, "model and model.preset are both set.*select a preset with model.preset"),
        ({"grid": {"output_dir": ["a", "b"]}}, "output_dir: is set by the sweep itself"),
        ({"grid": {"seed": [0]}, "recipe": "generation.yaml"}, "recipe: no such file"),
        ({"grid": {"seed": [0]}, "recipe": "train.jsonl"}, "is not a pretrain.yaml or sft.yaml"),
    ],
)
def test_what_is_wrong_with_a_sweeps_file_is_one_line(tmp_path, sweep, message):
    file = folder_of(tmp_path, sweep)
    with pytest.raises(RecipeError, match=message) as raised:
        read_sweep(["--config", str(file)])
    assert str(raised.value).startswith(str(file)) and "\n" not in str(raised.value)


def test_why_a_process_failed():
    assert reason_of(2, ["step 1", "silly-llm: no such file", ""]) == "no such file"
    assert reason_of(-9, ["step 1"]) == "killed by SIGKILL (out of memory?)"
    assert reason_of(3, ["Segmentation", ""]) == "Segmentation" and reason_of(3, []) == "exit code 3"


def test_processes_share_cores_and_gpus(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    shared = [environment(place, jobs=3, gpus=2) for place in range(3)]
    assert [process["CUDA_VISIBLE_DEVICES"] for process in shared] == ["4", "7", "4"]
    assert shared[0]["OMP_NUM_THREADS"] == str(max(1, (os.cpu_count() or 1) // 3))
    assert not {"OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"} & environment(0, jobs=1, gpus=2).keys()


def made_up(folder: Path, width: int, layers: int, seed: int, **more: object) -> dict:
    """A row whose training log lies below `folder`."""
    body, place = (12 * layers * width**2, folder / f"{width}-{layers}-{seed}-{'-'.join(map(str, more.values()))}")
    place.mkdir()
    values = [3.0, 1.5, 1.0 + 20 / width + 0.1 / layers + 0.01 * seed]
    lines = ({"tokens": 100 * (n + 1), "eval_bits_per_byte": v} for n, v in enumerate(values))
    jsonl(place / "training_log.jsonl", lines)
    sizes = {"width": width, "layers": layers, "heads": width // 32, "non_embedding_parameters": body}
    facts = {"tokens": 300, "compute": 6 * body * 300, "bits_per_byte": values[-1], "folder": str(place)}
    return {"model.hidden_size": width, "model.num_hidden_layers": layers, "seed": seed, **more, **sizes, **facts}


def test_only_the_plots_that_the_grid_supports(tmp_path):
    keys = ["model.hidden_size", "model.num_hidden_layers", "seed", "learning_rate"]
    grid = [made_up(tmp_path, w, n, s) for w in (32, 64, 128) for n in (1, 2) for s in (0, 1, 2)]
    groups = group(grid, keys)
    assert len(groups) == 6 and free_dimensions(groups, keys) == ["width", "layers"]  # heads follow from the width
    assert curve(groups[0], "bits_per_byte")[:2] == [(100, 3.0), (200, 1.5)]
    assert [name for name, _ in draw(groups, tmp_path / "plots", keys)] == ["compute", "width_depth"]
    drawn = (tmp_path / "plots" / "width_depth.svg").read_text()
    assert "Width against depth" in drawn and "layers 2" in drawn and "3 seeds" in drawn
    assert {">32<", ">64<", ">128<", ">1.4<"} <= set(re.findall(">[^<]+<", drawn))  # the axes span what was measured

    rates = [made_up(tmp_path, 32, 1, s, learning_rate=r) for r in (0.001, 0.01) for s in (3, 4)]
    groups = group(rates, keys)
    assert free_dimensions(groups, keys) == ["learning_rate"]
    assert [name for name, _ in draw(groups, tmp_path / "rates", keys)] == ["compute", "learning_rate"]
    assert draw(groups[:1], tmp_path / "none", keys) == [] and not (tmp_path / "none").exists()


def test_what_follows_from_the_name_of_a_run_is_no_dimension(tmp_path):
    runs, keys = {"muon": (32, None), "adamw": (32, "adamw"), "wide": (64, None)}, ["optimizer", "learning_rate"]
    rows = [
        made_up(tmp_path, width, 1, 5, run=run, optimizer=optimizer, learning_rate=rate)
        for run, (width, optimizer) in runs.items()
        for rate in (0.001, 0.01)
    ]
    groups = group(rows, ["run", "learning_rate", "seed"])
    assert free_dimensions(groups, keys) == ["run", "learning_rate"]
    assert [name for name, _ in draw(groups, tmp_path / "plots", keys)] == ["compute", "learning_rate"]
    lines = (tmp_path / "plots" / "learning_rate.svg").read_text()
    assert all(f">{run}<" in lines for run in runs) and "optimizer" not in lines


def test_the_best_is_bold_and_an_unknown_number_is_a_dash():
    better, worse = ([{"bits_per_byte": v, "seconds": 2.0} for v in vs] for vs in ((0.9, 0.92), (1.0, 1.1)))
    lines = markdown_table([Group({"lr": 1}, worse), Group({"lr": 2}, better)], ["lr", "seed"]).splitlines()
    cells = [cell.strip() for cell in lines[-1].split("|")]
    assert cells[1:-1] == ["2", "–", "–", "–", "–", "2", "**0.910 ± 0.127**", "2"] and "**" not in lines[-2]


def test_verdicts_are_about_seeds():
    near, far, one = (Group({"lr": n}, [{"bits_per_byte": v} for v in vs]) for n, vs in enumerate(
        ((0.900, 0.904, 0.896), (1.000, 1.004, 0.996), (0.5,))))  # fmt: skip
    said = " ".join(verdicts([far, near, one]))
    assert "lr 1 against lr 0: lr 0 is better (0.1, 0.09" in said and "n = 3" in said and "lr 2" not in said
    assert verdicts([near, one]) == []


def test_the_envelope_is_the_lower_hull_on_logarithmic_axes():
    points = [(1, 8.0), (10, 3.0), (10, 5.0), (100, 2.9), (1000, 1.0), (10_000, 1.5)]
    assert envelope(points) == [(1, 8.0), (10, 3.0), (1000, 1.0)]
    assert envelope([(1, 2.0)]) == [(1, 2.0)]
