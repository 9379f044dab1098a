"""Output folders: what is the user's stays, what is ours and dear is made anew only by force."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest
from phase_runs import CHECKPOINT, JOURNAL, MODEL, SHARD, STORIES, make, snapshot, thesis, write

from silly_llm.core.config import expand_home
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.output import PRIVATE, open_tool_output
from silly_llm.data.generation.generate import main as generate
from silly_llm.data.vocabulary.vocabulary import main as vocabulary


def set_aside(folder: Path) -> dict[str, str]:
    (aside,) = (folder / PRIVATE).glob("set-aside-*")
    return {p.relative_to(aside).as_posix(): p.read_text() for p in aside.rglob("*") if p.is_file()}


# What is the user's stays -----------------------------------------------------------------------------------------------


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
    # A reader takes all of data/
    in_the_way = {"README.md": "mine", "data/mine.parquet": "mine", "journal.sqlite": "diary"}
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
    with pytest.raises(RecipeError, match=r"--force, which removes README\.md, "):
        make(tmp_path, phase="pretrain")
    for source in (tmp_path, tmp_path / SHARD):
        with pytest.raises(RecipeError, match="is an input and would be removed"):
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
    said = r"license is 'mit', was None: that concerns only its card; edit .*README\.md"
    with pytest.raises(RecipeError, match=said):
        make(tmp_path, "--license", "mit", phase="pretrain")
