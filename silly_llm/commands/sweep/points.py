"""The points of a sweep: one recipe with grid keys set, each with its own name and folder."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from silly_llm.core.config import check, flatten, mask, parse_argv, read_recipe, run_name_of, to_yaml
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.core.lookup import beside, locate
from silly_llm.core.pages.markdown import one_line
from silly_llm.core.phases import PHASES, Phase
from silly_llm.core.recipe_files import phase_of_recipe

SWEPT = ("pretrain", "sft")
"""The phases that produce a model."""
RESERVED = ("output_dir", "push_to_hub")
"""Keys that a sweep sets itself."""


@dataclass
class SweepArguments:
    """The keys of a sweep's file; documented in `silly-llm sweep --help`."""

    recipe: str
    environment: str | None = None
    set: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, Any] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    jobs: int = 1
    dry_run: bool = False
    output_dir: str = ""

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise RecipeError(f"jobs: expected a number above 0, got {self.jobs}")
        if not self.grid and not self.runs:
            raise RecipeError("nothing varies: set grid or runs")


@dataclass(frozen=True)
class Point:
    """One training of a sweep."""

    name: str
    """Name of its folder."""
    labels: dict[str, Any]
    """What distinguishes it from the others: grid keys, and the name or keys of its run."""
    values: dict[str, Any]
    """The recipe keys it varies, dotted."""
    folder: Path
    argv: list[str]
    """The phase's command line."""


@dataclass(frozen=True)
class Sweep:
    """A sweep as defined by its file and the command line."""

    file: Path
    phase: Phase
    recipe: Path
    folder: Path
    points: list[Point]
    jobs: int
    dry_run: bool


def is_sweep(file: Path) -> bool:
    """Whether a file in a recipe folder is a sweep: `sweep.yaml`, `sweep-wide.yaml`."""
    return file.stem.partition("-")[0] == "sweep"


def read_sweep(argv: list[str]) -> Sweep:
    """Read a sweep's file and lay out its points, without checking their recipes.

    Raises:
        RecipeError: naming the file and what is wrong with it.
    """
    options = parse_argv(argv)
    if not options.config:
        raise RecipeError("command line: name the sweep: silly-llm sweep --config FILE")
    file = locate(options.config)
    values = read_recipe(file, options, SweepArguments)
    args = check(values, SweepArguments, where=str(file))
    if options.print_config:
        print(to_yaml(mask(values)), end="")
        raise SystemExit(0)
    recipe = beside(file, args.recipe)
    if not recipe.is_file():
        raise RecipeError(f"{file}: recipe: no such file {str(file.parent / args.recipe)!r}")
    phase = phase_of_recipe(recipe)
    if phase is None or phase.command not in SWEPT:
        raise RecipeError(
            f"{file}: recipe: {recipe} is not a {' or '.join(PHASES[p].recipe for p in SWEPT)} (or pretrain-NAME.yaml …)"
        )
    folder = Path(args.output_dir or Path(options.output_root) / run_name_of(file, options.environment) / file.stem)
    common = ["--config", str(recipe), "--output_root", options.output_root]
    common += ["--environment", args.environment or options.environment]
    common += ["--force"] if options.force else []
    try:
        points = lay_out(args, folder, common)
    except RecipeError as error:
        raise RecipeError(f"{file}: {error}") from None
    return Sweep(file, phase, recipe, folder, points, args.jobs, args.dry_run)


def lay_out(args: SweepArguments, folder: Path, common: list[str]) -> list[Point]:
    """Every run at every combination of the grid; the first seed of each comes before the second of any.

    Raises:
            RecipeError: a key cannot vary, or two points are identical.
    """
    grid = {key: v if isinstance(v, list) else [v] for key, v in flatten(args.grid).items()}
    if empty := [key for key, choices in grid.items() if not choices]:
        raise RecipeError(f"grid: {empty[0]}: no values")
    points: dict[str, Point] = {}
    for run, combination in itertools.product(args.runs or [{}], itertools.product(*grid.values())):
        own = flatten({key: value for key, value in run.items() if key != "name"})
        varied = dict(zip(grid, combination, strict=True))
        values = {**own, **varied}
        labels = values
        if "name" in run:
            labels = {"run": str(run["name"]), **{k: own[k] for k in own if k == "seed"}, **varied}
        name = name_of(labels)
        if name in points and points[name].values == values:
            raise RecipeError(f"two points are identical: {name}")
        if name in points:
            name = f"{name}_{fingerprint(values)[:6]}"
        place = folder / "points" / name
        every = checked({**flatten(args.set), **values})
        argv = [*common, *(f"--{key}:={json.dumps(value)}" for key, value in every.items())]
        argv += [f"--output_dir={place}", "--push_to_hub=false"]
        points[name] = Point(name, labels, values, place, argv)
    seeds = list(dict.fromkeys(json.dumps(p.values.get("seed")) for p in points.values()))
    return sorted(points.values(), key=lambda p: seeds.index(json.dumps(p.values.get("seed"))))


def checked(keys: dict[str, Any]) -> dict[str, Any]:
    """The keys of a point.

    Raises:
        RecipeError: a reserved key, or one key within another.
    """
    for key in keys:
        if key in RESERVED:
            raise RecipeError(f"{key}: is set by the sweep itself")
        inner = next((other for other in keys if other.startswith(f"{key}.")), None)
        if inner is not None:
            hint = "; select a preset with model.preset" if key == "model" else ""
            raise RecipeError(f"{key} and {inner} are both set, so one would override the other{hint}")
    return keys


def name_of(labels: Mapping[str, Any]) -> str:
    """`hidden_size-64_seed-0`: the shortest distinct key suffixes, with values as far as a file name can show them."""
    parts = []
    for key, value in labels.items():
        text = re.sub(r"[^\w.+-]+", "-", shown(value)).strip("-.")
        text = text if text and len(text) <= 40 else fingerprint(value)[:8]
        parts.append(text if key == "run" else f"{short(key, labels)}-{text}")
    return "_".join(parts)


def short(key: str, among: Any) -> str:
    """The last part of a dotted key, if no other key ends the same way."""
    last = key.rpartition(".")[2]
    return key if sum(other.rpartition(".")[2] == last for other in among) > 1 else last


def shown(value: Any) -> str:
    """The text form of a recipe value."""
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
