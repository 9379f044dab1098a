"""`silly-llm recipes`: the recipe folders with one line each; `--check` reads every file in every environment."""

from __future__ import annotations

import shutil
from pathlib import Path

from silly_llm.commands.check import check_recipe
from silly_llm.commands.sweep.points import is_sweep, read_sweep
from silly_llm.core.errors import NotInstalledError, RecipeError, suggestion
from silly_llm.core.launch import Parser, command_line
from silly_llm.core.lookup import SHARED, beside, locate, name_of, packaged_recipes
from silly_llm.core.recipe_files import environments_of, phase_of_recipe, read_file
from silly_llm.core.registry import only_registered

BASE = "base"
"""The folder of what others extend."""
ACCELERATE = "accelerate_configs"
"""Comes with the package too, for `accelerate launch --config_file`."""


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="silly-llm recipes", description=__doc__)
    parser.add_argument(
        "folder", nargs="?", help="where recipe folders lie (default: ./recipes, else those of the package)"
    )
    parser.add_argument("--check", action="store_true", help="read and check every file, in every environment")
    parser.add_argument(
        "--copy",
        nargs=2,
        metavar=("NAME", "FOLDER"),
        help="copy a recipe folder, and what it extends, into FOLDER to change it there; overwrites nothing",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    arguments = parser.parse_args(argv)
    if arguments.copy:
        if arguments.folder or arguments.check:
            parser.error("--copy goes with nothing else")
        copy(arguments.copy[0], Path(arguments.copy[1]).expanduser())
        return
    root = locate(arguments.folder or "recipes")
    folders = recipe_folders(root)
    if not folders:
        raise RecipeError(f"{root}: no recipe folder here")
    names = {folder: name_of(folder) for folder in folders}
    width = max(map(len, names.values()))
    for folder, name in names.items():
        print(f"{name:<{width}}  {describe(folder)}")
    if arguments.check:
        print()
        with only_registered():
            check_all(folders)


def copy(name: str, target: Path) -> None:
    """Copy the recipe folder `name` (or `accelerate_configs`) into `target`, and beside it what its recipes extend.

    Raises:
        RecipeError: there is no such folder, or `target` holds one of that name.
    """
    source = SHARED / name if name == ACCELERATE else locate(name)
    if not source.is_dir():
        known = [*packaged_recipes(), ACCELERATE]
        raise RecipeError(f"{name}: no such recipe folder{suggestion(name, known)}")
    to = target / source.resolve().name
    if to.exists():
        raise RecipeError(f"{to}: is there already; remove it, or name another folder")
    parents = {p for file in recipe_files(source) for p in ancestors(file) if p.parent != source.resolve()}
    shutil.copytree(source, to)
    print(f"{to}: {describe(to) if source.name != ACCELERATE else 'for accelerate launch --config_file'}")
    for parent in sorted(parents):
        extended = target / parent.parent.name / parent.name
        if extended.exists():
            print(f"{extended}: was there already and stays as it is")
            continue
        extended.parent.mkdir(exist_ok=True)
        shutil.copyfile(parent, extended)
        print(f"{extended}: what it extends")
    if source.name not in (ACCELERATE, BASE):
        print(f"next: {command_line('run', to)}")


def ancestors(file: Path) -> set[Path]:
    """The files that a recipe extends, and those that they extend."""
    parents = read_file(file).get("extends") or []
    names = [parents] if isinstance(parents, str) else list(parents)
    paths = {beside(file, name).resolve() for name in names}
    return paths.union(*(ancestors(path) for path in paths))


def recipe_folders(root: Path) -> list[Path]:
    """`root` itself when it holds recipes, else its sub-folders that do."""
    return [f for f in [root, *sorted(p for p in root.glob("*") if p.is_dir())] if recipe_files(f)]


def recipe_files(folder: Path) -> list[Path]:
    return sorted(
        p for p in folder.glob("*") if p.suffix in (".yaml", ".yml", ".json") and (phase_of_recipe(p) or is_sweep(p))
    )


def describe(folder: Path) -> str:
    """The first line of prose of the folder's README."""
    readme = folder / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else []
    prose = (line.strip() for line in lines if line.strip() and not line.startswith(("#", "!", "<", "`", "---")))
    return next(prose, "(no README.md)")


def check_all(folders: list[Path]) -> None:
    """Check every recipe of `folders` in every environment its folder names.

    Raises:
        RecipeError: at the end, with the number of bad files; each is printed with its reason.
    """
    bad = checked = 0
    for folder in folders:
        for file in recipe_files(folder):
            phase, name = phase_of_recipe(file), name_of(file)
            for environment in ["default", *sorted(environments_of(folder) - {"default"})]:
                checked += 1
                try:
                    argv = ["--config", str(file), "--environment", environment]
                    check_recipe(phase, argv) if phase else check_sweep(argv)
                except NotInstalledError as error:
                    print(f"✓ {name} ({environment}), to run it: {error}")
                except RecipeError as error:
                    # Keys are checked for name and type first, so one that only lacks others is right as far as it goes.
                    if folder.name == BASE and str(error).endswith("is missing"):
                        print(f"✓ {name} ({environment}), to be extended")
                        continue
                    bad += 1
                    print(f"✗ {name} ({environment}): {error}")
                else:
                    print(f"✓ {name} ({environment})")
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
