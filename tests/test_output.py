"""Output folders: lock, state, manifest; what is kept, continued, refused and set aside; provenance."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from silly_llm.core.config import expand_home, load_recipe
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders import output
from silly_llm.core.folders.output import PRIVATE, open_output, open_tool_output
from silly_llm.core.folders.provenance import digest


@dataclass
class Arguments:
    num_stories: int = 3
    seed: int = 0
    max_steps: int = -1
    max_minutes: float | None = None
    logging_steps: int = 10
    dataset: str = ""
    features: dict | None = None
    provider: str | dict = "storyteller"
    push_to_hub: bool = False
    hub_dataset_id: str | None = None
    license: str | None = None
    output_dir: str = ""


def recipe(folder, *argv: object, phase: str = "generate"):
    return load_recipe(["--output_dir", str(folder), *map(str, argv)], phase=phase, arguments=Arguments)


def make(folder: Path, *argv: object, phase: str = "generate", inputs=(), dies: bool = False, **files: str) -> str:
    """One run of a phase that writes `files`, and `dies` then; says whether it was `skipped`, `continued` or `made`."""
    with suppress(ZeroDivisionError), open_output(recipe(folder, *argv, phase=phase), inputs) as out:
        if out.up_to_date:
            return "skipped"
        write(folder, **files)
        if dies:
            raise ZeroDivisionError
    return "continued" if out.resumed else "made"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


SHARD = "data/train-00000-of-00001.parquet"
STORIES = {SHARD.replace("/", "__"): "rows", "README.md": "card", "statistics.json": "{}"}
MODEL = {"model.safetensors": "weights", "config.json": "{}", "README.md": "card"}
CHECKPOINT = {"checkpoint-3__trainer_state.json": "{}", "checkpoint-3__optimizer.pt": "state"}
JOURNAL = {"journal.sqlite": "paid\n"}


def snapshot(folder: Path) -> dict[str, bytes]:
    """Everything in a folder beside our private one."""
    files = (p for p in folder.rglob("*") if p.is_file() and PRIVATE not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def set_aside(folder: Path) -> dict[str, str]:
    (aside,) = (folder / PRIVATE).glob("set-aside-*")
    return {p.relative_to(aside).as_posix(): p.read_text() for p in aside.rglob("*") if p.is_file()}


# What is the user's stays -----------------------------------------------------------------------------------------------


def thesis(folder: Path) -> dict[str, bytes]:
    """What people keep beside our output, some of it under names that look like ours."""
    names = [".git/HEAD", "thesis.tex", "code/main.py", "notes.txt", "gguf/m.gguf", "data/mine.parquet.bak"]
    names += ["checkpoint-best/model.safetensors", "old/model.safetensors", "journal.tex", "partial/a.json"]
    write(folder, **{name: name for name in names})
    return {name: name.encode() for name in names}


@pytest.mark.parametrize("phase, files", [("generate", STORIES), ("pretrain", MODEL | CHECKPOINT)])
@pytest.mark.parametrize("again", [["--seed", 1, "--force"], ["--force"]])
def test_whatever_is_done_again_nothing_of_the_users_is_touched(tmp_path, phase, files, again):
    assert make(tmp_path, phase=phase, **files) == "made"
    mine = thesis(tmp_path)
    assert make(tmp_path, *again, phase=phase, **files) == "made"
    assert mine.items() <= snapshot(tmp_path).items()
    assert make(tmp_path, "--seed", 2, "--force", phase=phase, dies=True) == "made"
    assert mine.items() <= snapshot(tmp_path).items()


def test_a_folder_that_is_not_ours_is_refused_and_named_before_anything_is_written(tmp_path):
    thesis(tmp_path)
    write(tmp_path, **{"README.md": "mine", "data/mine.parquet": "mine"})
    mine = snapshot(tmp_path)
    with pytest.raises(RecipeError) as refused:
        make(tmp_path, **STORIES)
    said = str(refused.value)
    assert "is not empty and holds no output of `silly-llm generate`" in said and "another --output_dir" in said
    assert "--force, which sets aside README.md, data/mine.parquet" in said and "\n" not in said
    assert snapshot(tmp_path) == mine and not (tmp_path / PRIVATE).exists()


def test_by_force_what_is_in_the_way_is_set_aside_and_the_rest_stays(tmp_path, capsys):
    mine = thesis(tmp_path)
    in_the_way = {
        "README.md": "mine",
        "data/mine.parquet": "mine",
        "journal.sqlite": "diary",
    }  # a reader takes all of data/
    write(tmp_path, **in_the_way)
    make(tmp_path, "--force", **STORIES)
    assert set_aside(tmp_path) == in_the_way
    assert "README.md, data/mine.parquet, journal.sqlite set aside in" in capsys.readouterr().out
    make(tmp_path, "--force", **STORIES)
    assert mine.items() <= snapshot(tmp_path).items() and set_aside(tmp_path) == in_the_way


def test_a_folder_in_the_place_of_a_file_is_in_the_way_too_and_the_reverse(tmp_path):
    in_the_way = {"README.md/mine.txt": "mine", "data": "mine"}
    write(tmp_path, **in_the_way)
    with pytest.raises(RecipeError, match=r"sets aside README\.md, data"):
        make(tmp_path, **STORIES)
    make(tmp_path, "--force", **STORIES)
    assert set_aside(tmp_path) == in_the_way


def test_what_is_read_is_never_removed_to_make_room(tmp_path):
    make(tmp_path, **STORIES)
    with pytest.raises(RecipeError, match=r"--force: README\.md, .* would go"):
        make(tmp_path, phase="pretrain")
    for source in (tmp_path, tmp_path / SHARD):
        with pytest.raises(RecipeError, match="is read and would go"):
            make(tmp_path, "--force", phase="pretrain", inputs=[source])
    assert (tmp_path / SHARD).exists()


def test_a_file_of_ours_that_was_edited_is_the_users(tmp_path):
    make(tmp_path, **STORIES)
    write(tmp_path, **{"README.md": "my own card"})
    assert make(tmp_path) == "skipped"
    for changed in (["--seed", 1], ["--num_stories", 4]):
        with pytest.raises(RecipeError, match=r"README\.md: not written by silly-llm, or changed since"):
            make(tmp_path, *changed, **STORIES)
    assert (tmp_path / "README.md").read_text() == "my own card"
    make(tmp_path, "--seed", 1, "--force", **STORIES)
    assert set_aside(tmp_path) == {"README.md": "my own card"}


def test_links_out_of_the_folder_are_never_followed_by_removal(tmp_path):
    elsewhere, out = tmp_path / "elsewhere" / Path(SHARD).name, tmp_path / "out"
    write(elsewhere.parent, **{elsewhere.name: "precious"})
    make(out, **STORIES)
    (out / SHARD).unlink()
    (out / SHARD).symlink_to(elsewhere)
    make(out, "--seed", 1, "--force")
    assert elsewhere.read_text() == "precious"


def test_a_tool_keeps_to_its_own_files_too(tmp_path):
    for files in ({"results.json": "{}"}, {}):
        with open_tool_output(tmp_path / "report", "compare"):
            write(tmp_path / "report", **files)
    write(tmp_path / "report", **{"results.json": "{1}"})
    for folder, said in ((tmp_path / "report", "results.json: not written by"), (tmp_path, "holds no output")):
        with pytest.raises(RecipeError, match=said), open_tool_output(folder, "compare"):
            pass


def test_the_phases_themselves_keep_to_their_files(tmp_path, monkeypatch):
    """The first report of lost files: output into the folder one works in, and everything else that was there."""
    from silly_llm.data.generation.generate import main as generate
    from silly_llm.data.vocabulary.vocabulary import main as vocabulary

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    someone = pwd.getpwuid(os.getuid())
    assert expand_home([f"~{someone.pw_name}/a", "~nobody at all/a"]) == [f"{someone.pw_dir}/a", "~nobody at all/a"]
    generate(["--num_stories", "5", "--output_dir", "./~/a"])
    assert (tmp_path / "~/a/data").is_dir()
    shutil.rmtree(tmp_path / "~")
    generate(["--num_stories", "5", "--output_dir", "."])
    mine = thesis(tmp_path)
    generate(["--num_stories", "6", "--output_dir", "."])
    generate(["--seed", "9", "--output_dir", "."])
    assert mine.items() <= snapshot(tmp_path).items()
    for words in ("12", "15"):
        vocabulary(["--words", words, "--output_dir=~/a [b] c"])
        write(tmp_path / "a [b] c", **{"mine.txt": "mine"})
    assert {"a [b] c/mine.txt", "a [b] c/vocabulary.json"} <= set(snapshot(tmp_path))
    with pytest.raises(RecipeError, match="is not empty and holds no output"):
        vocabulary(["--output_dir", "code"])
    assert not (tmp_path / "~").exists()


# What is ours and dear -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "phase, files, what",
    [
        ("pretrain", MODEL | CHECKPOINT, "a finished model"),
        ("sft", MODEL, "a finished model"),
        ("generate", STORIES | JOURNAL, "a finished dataset with paid answers"),
    ],
)
def test_a_model_and_paid_answers_are_made_anew_only_by_force(tmp_path, phase, files, what):
    make(tmp_path, phase=phase, **files)
    before = snapshot(tmp_path)
    with pytest.raises(RecipeError) as refused:
        make(tmp_path, "--seed", 7, "--features", "{a: 1}", phase=phase)
    said = str(refused.value)
    assert f"holds {what} of another recipe" in said and "seed is 7, was 0" in said and "features" in said
    assert "another --output_dir" in said and "--force" in said and "README.md" in said and "\n" not in said
    assert snapshot(tmp_path) == before
    assert make(tmp_path, "--seed", 7, "--force", phase=phase) == "made"
    left = snapshot(tmp_path)
    assert not left.keys() & {"model.safetensors", SHARD, "checkpoint-3/optimizer.pt"}
    assert ("journal.sqlite" in left) == ("journal.sqlite" in before)


def test_an_unfinished_training_of_another_recipe_is_not_thrown_away(tmp_path):
    make(tmp_path, phase="pretrain", dies=True, **CHECKPOINT)
    with pytest.raises(RecipeError, match=r"an unfinished training of another recipe \(seed is 9, was 0\)"):
        make(tmp_path, "--seed", 9, phase="pretrain")
    make(tmp_path, "--seed", 9, "--force", phase="pretrain")
    assert not (tmp_path / "checkpoint-3").exists()


def test_what_costs_nothing_is_made_anew_when_its_recipe_or_input_changes(tmp_path):
    source, out = tmp_path / "words.txt", tmp_path / "out"
    source.write_text("cat")
    assert make(out, inputs=[source], **STORIES) == "made"
    assert make(out, inputs=[source]) == "skipped"
    source.write_text("dog")
    assert make(out, inputs=[source]) == "made"
    assert not (out / SHARD).exists()
    assert make(out, "--seed", 4, inputs=[source]) == "made"


def test_the_message_names_an_input_whose_content_changed(tmp_path):
    source, out = tmp_path / "stories.jsonl", tmp_path / "out"
    source.write_text("a")
    make(out, "--dataset", source, phase="pretrain", inputs=[source], **MODEL)
    source.write_text("b")
    with pytest.raises(RecipeError, match="the content of dataset"):
        make(out, "--dataset", source, phase="pretrain", inputs=[source])
    other = tmp_path / "moved.jsonl"
    other.write_text("a")  # the same text elsewhere is the same
    assert make(out, "--dataset", other, phase="pretrain", inputs=[other]) == "skipped"


def test_the_output_of_another_phase_is_refused(tmp_path):
    make(tmp_path, **STORIES)
    with pytest.raises(RecipeError, match="holds the output of `silly-llm generate`"):
        make(tmp_path, phase="pretrain", **MODEL)
    assert (tmp_path / SHARD).exists()


def test_keys_of_the_card_alone_train_nothing_again(tmp_path):
    make(tmp_path, phase="pretrain", **MODEL)
    said = r"license is 'mit', was None: that is in its card alone; change .*README\.md"
    with pytest.raises(RecipeError, match=said):
        make(tmp_path, "--license", "mit", phase="pretrain")


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
    assert "made by silly-llm" in said and "this is 9.9+abc; nothing is done again" in said


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
    assert "goes on" in capsys.readouterr().out and kept <= snapshot(tmp_path).keys()
    if phase != "generate" and after:
        with pytest.raises(RecipeError, match="of another recipe"):  # a lower one is not that training
            make(tmp_path, *before, phase=phase)


def test_without_a_checkpoint_nothing_can_be_prolonged(tmp_path):
    make(tmp_path, "--max_steps", 2, phase="pretrain", **MODEL)
    with pytest.raises(RecipeError, match="max_steps is 3, was 2; no checkpoint is there to go on from"):
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


def test_a_second_process_is_told_so(tmp_path):
    code = f"import sys; sys.path.insert(0, 'tests'); from test_output import *; make(Path({str(tmp_path)!r}))"
    with open_output(recipe(tmp_path)):
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert second.returncode == 1 and "another silly-llm process is writing here" in second.stderr


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
