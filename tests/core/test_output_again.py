"""Output folders: what is no reason to do work again; provenance, lock and processes."""

from __future__ import annotations

import json

import pytest
from phase_runs import CHECKPOINT, JOURNAL, MODEL, SHARD, STORIES, make, recipe, snapshot, thesis, write

from silly_llm.core.errors import RecipeError
from silly_llm.core.folders import output
from silly_llm.core.folders.output import open_output
from silly_llm.core.folders.provenance import digest

# What is no reason to do work again --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "phase, changed",
    [
        ("pretrain", ["--logging_steps", 51]),
        ("pretrain", ["--logging_steps", 51, "--seed", 0]),  # what it is by default
        ("generate", ["--push_to_hub", "--hub_dataset_id", "a/b"]),
        ("generate", ["--provider.type", "storyteller", "--provider.base_url", "http://127.0.0.1:9"]),
    ],
)
def test_keys_that_do_not_shape_the_result_make_nothing_stale(tmp_path, phase, changed):
    first = ["--provider.type", "storyteller"] if "--provider.type" in changed else []
    make(tmp_path / "a", *first, phase=phase, **MODEL)
    make(tmp_path / "b", *first, phase=phase, dies=True, **MODEL)
    before = snapshot(tmp_path / "a")
    assert make(tmp_path / "a", *changed, phase=phase) == "skipped" and snapshot(tmp_path / "a") == before
    assert make(tmp_path / "b", *changed, phase=phase) == "continued"


def test_another_version_of_the_code_is_told_and_nothing_is_done_again(tmp_path, monkeypatch, capsys):
    make(tmp_path, phase="pretrain", **MODEL)
    monkeypatch.setattr(output, "code_version", lambda: "9.9+abc")
    assert make(tmp_path, phase="pretrain") == "skipped"
    said = capsys.readouterr().out
    assert "made by silly-llm" in said and "this is 9.9+abc; nothing is redone" in said


def test_a_folder_may_move(tmp_path):
    make(tmp_path / "a", phase="pretrain", **MODEL)
    (tmp_path / "a").rename(tmp_path / "b")
    assert make(tmp_path / "b", phase="pretrain") == "skipped"


@pytest.mark.parametrize(
    "phase, before, after",
    [
        ("pretrain", ["--max_steps", 12], ["--max_steps", 18]),
        ("pretrain", ["--max_minutes", 0.5], ["--max_minutes", 2]),
        ("sft", ["--max_steps", 12], []),
        ("generate", ["--num_stories", 5], ["--num_stories", 6]),
    ],
)
def test_a_raised_budget_goes_on_from_what_is_there(tmp_path, phase, before, after, capsys):
    make(tmp_path, *before, phase=phase, **MODEL, **CHECKPOINT, **JOURNAL)
    kept = snapshot(tmp_path).keys()
    assert make(tmp_path, *after, phase=phase) == "continued"
    assert "continues" in capsys.readouterr().out and kept <= snapshot(tmp_path).keys()
    if phase != "generate" and after:
        with pytest.raises(RecipeError, match="of another recipe"):  # a lower one is not that training
            make(tmp_path, *before, phase=phase)


def test_without_a_checkpoint_nothing_can_be_prolonged(tmp_path):
    make(tmp_path, "--max_steps", 2, phase="pretrain", **MODEL)
    with pytest.raises(RecipeError, match="max_steps is 3, was 2; there is no checkpoint to continue from"):
        make(tmp_path, "--max_steps", 3, phase="pretrain")


def test_a_result_that_was_removed_is_made_again_without_beginning_anew(tmp_path):
    make(tmp_path, phase="pretrain", **MODEL, **CHECKPOINT)
    (tmp_path / "model.safetensors").unlink()
    assert make(tmp_path, phase="pretrain", **MODEL) == "continued"
    assert (tmp_path / "checkpoint-3" / "optimizer.pt").exists()


def test_an_interrupted_run_is_continued_and_journals_survive_a_change(tmp_path):
    for argv, done in (([], "made"), ([], "continued"), (["--seed", 9], "made")):
        assert make(tmp_path, *argv, dies=True, **(JOURNAL if not argv else {})) == done
    assert (tmp_path / "journal.sqlite").read_text() == JOURNAL["journal.sqlite"]


# Provenance, lock, processes ---------------------------------------------------------------------------------------------


def test_what_a_phase_records_and_the_resolved_recipe_are_kept(tmp_path):
    with open_output(recipe(tmp_path, "--seed", "5")) as out:
        out.record(stories=3)
    facts = json.loads((tmp_path / "provenance.json").read_text())
    assert facts["stories"] == 3 and facts["phase"] == "generate" and facts["seconds"] >= 0
    assert facts["libraries"]["transformers"] and facts["code"] == output.code_version()
    assert "seed: 5" in (tmp_path / "recipe.yaml").read_text()


def test_a_second_process_is_told_so(tmp_path, python):
    code = f"import sys; sys.path.insert(0, 'tests/core'); from phase_runs import *; make(Path({str(tmp_path)!r}))"
    with open_output(recipe(tmp_path)):
        assert "another silly-llm process is writing here" in python(code, fails=1).stderr


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("file", "file/out", "nul\0"):
        with pytest.raises(RecipeError, match="cannot be made"):
            make(tmp_path / name)


def test_only_the_first_of_several_processes_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with open_output(recipe(tmp_path / "out")) as out:
        assert not out.up_to_date
    assert not (tmp_path / "out").exists()


def test_digest_is_of_the_content_that_counts(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    make(ours, **STORIES)
    write(theirs, **{"a.txt": "1"})
    before = digest(ours), digest(theirs)
    write(ours, **{"provenance.json": "time"})
    thesis(ours)  # a git repository or notes beside a dataset of ours are no part of it
    write(theirs, **{".git/HEAD": "x"})
    assert (digest(ours), digest(theirs)) == before
    write(ours, **{SHARD: "2"})
    write(theirs, **{"b.txt": "2"})
    assert digest(ours) != before[0] and digest(theirs) != before[1]
    assert digest("some/hub-id") == digest("some/hub-id") != digest("some/other-id")
