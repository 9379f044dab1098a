"""`silly-llm recipes`: the recipe folders with one line each; `--check` reads every file in every environment."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from silly_llm.config import Options, Recipe, environments_of, load_recipe
from silly_llm.errors import NotInstalledError, RecipeError
from silly_llm.phases import Phase, phase_of_recipe
from silly_llm.registry import only_registered
from silly_llm.sweep.points import is_sweep, read_sweep


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="silly-llm recipes", description=__doc__)
    parser.add_argument(
        "folder", nargs="?", default="recipes", help="where recipe folders lie (default: recipes)"
    )
    parser.add_argument(
        "--check", action="store_true", help="read and check every file, in every environment"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    arguments = parser.parse_args(argv)
    folders = recipe_folders(Path(arguments.folder))
    if not folders:
        raise RecipeError(f"{arguments.folder}: no recipe folder here")
    width = max(len(str(folder)) for folder in folders)
    for folder in folders:
        print(f"{folder!s:<{width}}  {describe(folder)}")
    if arguments.check:
        print()
        with only_registered():
            check_all(folders)


def recipe_folders(root: Path) -> list[Path]:
    """`root` itself when it holds recipes, else its sub-folders that do."""
    return [f for f in [root, *sorted(p for p in root.glob("*") if p.is_dir())] if recipe_files(f)]


def recipe_files(folder: Path) -> list[Path]:
    return sorted(
        p
        for p in folder.glob("*")
        if p.suffix in (".yaml", ".yml", ".json") and (phase_of_recipe(p) or is_sweep(p))
    )


def describe(folder: Path) -> str:
    """The first line of prose of the folder's README."""
    readme = folder / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else []
    prose = (
        line.strip() for line in lines if line.strip() and not line.startswith(("#", "!", "<", "`", "---"))
    )
    return next(prose, "(no README.md)")


def check_all(folders: list[Path]) -> None:
    """Check every recipe of `folders` in every environment its folder names.

    Raises:
        RecipeError: at the end, with the number of bad files; each is printed with its reason.
    """
    bad = checked = 0
    for folder in folders:
        for file in recipe_files(folder):
            phase = phase_of_recipe(file)
            for environment in ["default", *sorted(environments_of(folder) - {"default"})]:
                checked += 1
                try:
                    argv = ["--config", str(file), "--environment", environment]
                    check_recipe(phase, argv) if phase else check_sweep(argv)
                except NotInstalledError as error:
                    print(f"✓ {file} ({environment}), to run it: {error}")
                except RecipeError as error:
                    # Keys are checked for name and type first, so one that only lacks others is right as far as it goes.
                    if folder.name == "base" and str(error).endswith("is missing"):
                        print(f"✓ {file} ({environment}), to be extended")
                        continue
                    bad += 1
                    print(f"✗ {file} ({environment}): {error}")
                else:
                    print(f"✓ {file} ({environment})")
    if bad:
        raise RecipeError(f"{bad} of {checked} recipes are wrong")
    print(f"{checked} recipes are right")


def check_sweep(argv: list[str]) -> None:
    """Read a sweep's file and the recipe of each of its points.

    Raises:
        RecipeError: as the sweep would.
    """
    sweep = read_sweep(argv)
    for point in sweep.points:
        check_recipe(sweep.phase, point.argv)


def check_recipe(phase: Phase, argv: list[str] | Options) -> Recipe:
    """Read one recipe as its phase would, building and writing nothing.

    Raises:
        RecipeError: as the phase would.
    """
    module = importlib.import_module(phase.module)
    recipe = load_recipe(argv, phase=phase.command, arguments=module.ARGUMENTS)
    check_components = getattr(module, "check_components", None)
    if check_components:
        check_components(recipe.args)
    return recipe
