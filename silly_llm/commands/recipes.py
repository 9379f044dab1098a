"""`silly-llm recipes`: the recipe folders with one line each; `--check` reads every file in every environment."""

from __future__ import annotations

import shutil
from pathlib import Path

from silly_llm.commands.check import check_recipe
from silly_llm.commands.sweep.points import is_sweep, read_sweep
from silly_llm.core.errors import NotInstalledError, RecipeError, suggestion
from silly_llm.core.launch import Parser, command_line
from silly_llm.core.lookup import SHARED, beside, home, locate, name_of, packaged_recipes
from silly_llm.core.recipe_files import ENDINGS, environments_of, parents_of, phase_of_recipe, read_file
from silly_llm.core.registry import only_registered

BASE = "base"
"""The folder with the base recipes that others extend."""
ACCELERATE = "accelerate_configs"
"""Also part of the package, for `accelerate launch --config_file`."""


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="silly-llm recipes", description=__doc__)
    parser.add_argument(
        "folder", nargs="?", help="folder with recipe folders (default: ./recipes, or else those in the package)"
    )
    parser.add_argument("--check", action="store_true", help="read and check every file, in every environment")
    copy_help = "copy a recipe folder and the recipes it extends into FOLDER for editing; overwrites nothing"
    parser.add_argument("--copy", nargs=2, metavar=("NAME", "FOLDER"), help=copy_help)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    arguments = parser.parse_args(argv)
    if arguments.copy:
        if arguments.folder or arguments.check:
            parser.error("--copy cannot be combined with other options")
        copy(arguments.copy[0], home(arguments.copy[1]))
        return
    root = locate(arguments.folder or "recipes")
    folders = [f for f in (root, *sorted(p for p in root.glob("*") if p.is_dir())) if recipe_files(f)]
    if not folders:
        raise RecipeError(f"{root}: no recipe folder here")
    width = max(len(name_of(folder)) for folder in folders)
    for folder in folders:
        print(f"{name_of(folder):<{width}}  {describe(folder)}")
    if arguments.check:
        print()
        with only_registered():
            check_all(folders)


def copy(name: str, target: Path) -> None:
    """Copy the recipe folder `name` (or `accelerate_configs`) into `target`, along with the recipes it extends."""
    source = SHARED / name if name == ACCELERATE else locate(name)
    if not source.is_dir():
        near = suggestion(name, [*packaged_recipes(), ACCELERATE])
        raise RecipeError(f"{name}: no such recipe folder{near}")
    to = target / source.resolve().name
    if to.exists() or target.is_file():
        raise RecipeError(f"{to if to.exists() else target}: already exists; remove it, or choose another folder")
    parents = {p for file in recipe_files(source) for p in ancestors(file) if p.parent != source.resolve()}
    shutil.copytree(source, to)
    print(f"{to}: {describe(to) if source.name != ACCELERATE else 'for accelerate launch --config_file'}")
    for parent in sorted(parents):
        extended = target / parent.parent.name / parent.name
        if extended.exists():
            print(f"{extended}: already exists and is left unchanged")
            continue
        extended.parent.mkdir(exist_ok=True)
        shutil.copyfile(parent, extended)
        print(f"{extended}: extended by it")
    if source.name not in (ACCELERATE, BASE):
        print(f"next: {command_line('run', to)}")


def ancestors(file: Path) -> set[Path]:
    """The files that a recipe extends, directly or indirectly."""
    paths = {beside(file, name).resolve() for name in parents_of(read_file(file))}
    return paths.union(*map(ancestors, paths))


def recipe_files(folder: Path) -> list[Path]:
    """The recipes and sweeps of a folder."""
    files = sorted(p for p in folder.glob("*") if p.suffix in ENDINGS)
    return [p for p in files if phase_of_recipe(p) or is_sweep(p)]


def describe(folder: Path) -> str:
    """The first line of prose of the folder's README."""
    readme = folder / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else []
    prose = (line.strip() for line in lines if line.strip() and not line.startswith(("#", "!", "<", "`", "---")))
    return next(prose, "(no README.md)")


def check_all(folders: list[Path]) -> None:
    """Check every recipe in every environment its folder names and print the results; raises a RecipeError at the end if any is invalid."""
    verdicts = []
    for folder in folders:
        environments = ["default", *sorted(environments_of(folder) - {"default"})]
        for file, environment in ((f, e) for f in recipe_files(folder) for e in environments):
            verdict, more = "✓", ""
            try:
                check_file(file, environment)
            except NotInstalledError as error:
                more = f", to run it: {error}"
            except RecipeError as error:
                # Names and types of keys are checked first, so a base recipe that only lacks other keys is valid as far as it goes.
                if folder.name == BASE and str(error).endswith("is missing"):
                    more = ", base recipe"
                else:
                    verdict, more = "✗", f": {error}"
            verdicts.append(verdict)
            print(f"{verdict} {name_of(file)} ({environment}){more}")
    if bad := verdicts.count("✗"):
        raise RecipeError(f"{bad} of {len(verdicts)} recipes are invalid")
    print(f"{len(verdicts)} recipes are valid")


def check_file(file: Path, environment: str) -> None:
    """Check a recipe, or a sweep with the recipe of each of its points."""
    argv = ["--config", str(file), "--environment", environment]
    if phase := phase_of_recipe(file):
        check_recipe(phase, argv)
        return
    sweep = read_sweep(argv)
    for point in sweep.points:
        check_recipe(sweep.phase, point.argv)
