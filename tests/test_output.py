"""Output folders: lock, stamp, what is kept and what is cleared, provenance."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from silly_llm.config import load_recipe
from silly_llm.errors import RecipeError, RunError
from silly_llm.output import digest, open_output


@dataclass
class Arguments:
    words: int = 3
    push_to_hub: bool = False
    hub_dataset_id: str | None = None
    output_dir: str = ""


def recipe(folder, *argv: str):
    return load_recipe(["--output_dir", str(folder), *argv], phase="generate", arguments=Arguments)


def test_finished_and_unchanged_is_up_to_date_until_forced_or_changed(tmp_path):
    source = tmp_path / "words.txt"
    source.write_text("cat")
    out = tmp_path / "out"
    with open_output(recipe(out), [source]) as output:
        assert not output.up_to_date and not output.resumed
        (out / "result.txt").write_text("1")
        output.record(stories=3)
    with open_output(recipe(out), [source]) as output:
        assert output.up_to_date
    with open_output(recipe(out, "--force"), [source]) as output:
        assert not output.up_to_date and not (out / "result.txt").exists()
    source.write_text("dog")
    with open_output(recipe(out), [source]) as output:
        assert not output.up_to_date
    with open_output(recipe(out, "--words", "4"), [source]) as output:
        assert not output.up_to_date
    facts = json.loads((out / "provenance.json").read_text())
    assert facts["phase"] == "generate" and facts["libraries"]["transformers"] and facts["seconds"] >= 0


def test_publishing_a_finished_folder_is_no_reason_to_make_it_again(tmp_path):
    with open_output(recipe(tmp_path)):
        pass
    with open_output(recipe(tmp_path, "--push_to_hub", "--hub_dataset_id", "a/b")) as output:
        assert output.up_to_date


def test_what_a_phase_records_and_the_resolved_recipe_are_kept(tmp_path):
    with open_output(recipe(tmp_path, "--words", "5")) as output:
        output.record(stories=3)
    assert json.loads((tmp_path / "provenance.json").read_text())["stories"] == 3
    assert "words: 5" in (tmp_path / "recipe.yaml").read_text()


def test_an_interrupted_run_is_resumed_and_journals_survive_a_change(tmp_path):
    with pytest.raises(ZeroDivisionError), open_output(recipe(tmp_path)):
        (tmp_path / "part.txt").write_text("1")
        (tmp_path / "journal.jsonl").write_text("paid")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), open_output(recipe(tmp_path)) as output:
        assert output.resumed and (tmp_path / "part.txt").exists()
        raise ZeroDivisionError
    with open_output(recipe(tmp_path, "--words", "9")) as output:
        assert not output.resumed
        assert not (tmp_path / "part.txt").exists() and (tmp_path / "journal.jsonl").exists()


def test_files_that_are_not_ours_are_never_removed(tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    for words in ("1", "2"):
        with open_output(recipe(tmp_path, "--words", words)):
            (tmp_path / "result.txt").write_text(words)
    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_an_unfinished_training_of_another_recipe_is_not_thrown_away(tmp_path):
    with pytest.raises(ZeroDivisionError), open_output(recipe(tmp_path)):
        (tmp_path / "checkpoint-10").mkdir()
        raise ZeroDivisionError
    with (
        pytest.raises(RecipeError, match="unfinished training of another recipe"),
        open_output(recipe(tmp_path, "--words", "9")),
    ):
        pass
    with open_output(recipe(tmp_path, "--words", "9", "--force")):
        assert not (tmp_path / "checkpoint-10").exists()


def test_a_second_process_is_told_so(tmp_path):
    code = (
        "import sys; sys.path.insert(0, 'tests'); from test_output import *\n"
        f"with open_output(recipe({str(tmp_path)!r})): pass"
    )
    with open_output(recipe(tmp_path)):
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert second.returncode == 1 and "another silly-llm process is writing here" in second.stderr


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be made"), open_output(recipe(tmp_path / "file" / "out")):
        pass


def test_only_the_first_of_several_processes_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with open_output(recipe(tmp_path / "out")) as output:
        assert not output.up_to_date
    assert not (tmp_path / "out").exists()


def test_digest_is_of_the_content_that_counts(tmp_path):
    (tmp_path / "a.txt").write_text("1")
    before = digest(tmp_path)
    (tmp_path / "provenance.json").write_text("time")
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-3" / "x").write_text("2")
    assert digest(tmp_path) == before
    (tmp_path / "a.txt").write_text("2")
    assert digest(tmp_path) != before
    assert digest("some/hub-id") == digest("some/hub-id") != digest("some/other-id")
