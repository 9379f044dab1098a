"""What a name means is decided in one place: a path, something of the package, or a repository of the Hub."""

from pathlib import Path

import pytest

from silly_llm.commands.chat import Talker
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.launch import command_line, executable
from silly_llm.core.lookup import RECIPES, find, is_hub_id, locate, name_of
from silly_llm.data.sources import open_source
from silly_llm.data.vocabulary.lists import local_path
from silly_llm.evaluation.evaluate import model_entries
from silly_llm.providers.local import TransformersConfig
from silly_llm.training.corpus.tokenizer import load

IDS = ("gpt2", "roneneldan/TinyStories", "Qwen/Qwen3-0.6B", "a_b/c.d", "distilbert-base")
PATHS = ["./gpt2", "../gpt2", "/gpt2", "~/gpt2", "a/b/c", "stories/train.jsonl", "x.json", "data/*.csv", "b.txt.gz"]


def test_an_id_of_one_or_two_parts_is_one_unless_it_is_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not any(map(is_hub_id, [*PATHS, "my model", ""]))
    for name in IDS:
        assert is_hub_id(name) and find(name) == name
        Path(name).mkdir(parents=True)
        assert not is_hub_id(name)


ASKED = {
    "chat": lambda name: Talker.load(name, 1.0, 1.0, 5),
    "evaluate": model_entries,
    "tokenizer": load,
    "vocabulary": local_path,
    "dataset": open_source,
    "teacher": lambda name: TransformersConfig(name),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_whoever_asks_gets_the_same_answer(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("./gpt2", "a/b/c", "x.json", "no such [folder]"):
        with pytest.raises(RecipeError, match="no such file"):
            asked(path)
    try:
        asked("gpt2")
    except (RecipeError, RunError) as error:
        assert "no such file" not in str(error), "an id is asked of the Hub, which tests cannot reach"


def test_the_package_answers_to_names_where_nothing_is_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = RECIPES / "quickstart" / "pretrain.yaml"
    assert locate("quickstart/pretrain.yaml") == locate("recipes/quickstart/pretrain.yaml") == file
    assert name_of(file) == "quickstart/pretrain.yaml"
    assert locate("../quickstart") == Path("../quickstart")
    Path("quickstart").mkdir()
    Path("quickstart", "pretrain.yaml").touch()
    assert locate("quickstart/pretrain.yaml") == Path("quickstart/pretrain.yaml")
    assert name_of(file) == str(file), "the short name means another file now"


def test_printed_commands_survive_the_shell(tmp_path, monkeypatch):
    assert command_line("chat", "it's here").endswith("""chat 'it'"'"'s here'""")
    python = tmp_path / "my env" / "python"
    python.parent.mkdir()
    python.with_name("silly-llm").touch(mode=0o755)
    monkeypatch.setattr("sys.executable", str(python))
    assert executable() == f"'{python.with_name('silly-llm')}'", "another silly-llm may be on the path"
    monkeypatch.chdir(tmp_path)
    assert executable() == "'my env/silly-llm'"
    monkeypatch.setenv("PATH", str(python.parent))
    assert executable() == "silly-llm"
    python.with_name("silly-llm").unlink()
    assert executable() == f"'{python}' -m silly_llm.cli"
