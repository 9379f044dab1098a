"""The phases: their commands, modules, recipe files and folders. One table, read by the CLI and the pipeline."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.lookup import beside, name_of

if TYPE_CHECKING:
    from silly_llm.config import Recipe


@dataclass(frozen=True)
class Phase:
    """One phase of the path from an idea to a model."""

    command: str
    """The sub-command of `silly-llm`."""
    module: str
    """The module whose `main` is the phase (`python -m MODULE` runs it)."""
    arguments: str
    """`module:Class` of the light dataclass that lists the phase's own keys."""
    recipe: str
    """The file of a recipe folder that configures it; empty when `silly-llm run` leaves it out."""
    folder: str
    """Its folder below `runs/NAME/`."""
    summary: str
    """One line for `--help`."""
    passes_to: str = ""
    """The Hugging Face classes whose keys a recipe of this phase may use too."""


PHASES = {
    phase.command: phase
    for phase in (
        Phase(
            "vocabulary",
            "silly_llm.data.vocabulary",
            "silly_llm.data.arguments:VocabularyArguments",
            "vocabulary.yaml",
            "vocabulary",
            "make the vocabulary of a child: nouns, verbs, adjectives",
        ),
        Phase(
            "generate",
            "silly_llm.data.generation",
            "silly_llm.data.arguments:GenerationArguments",
            "generation.yaml",
            "stories",
            "have an LLM write a dataset of stories",
        ),
        Phase(
            "pretrain",
            "silly_llm.training.pretrain",
            "silly_llm.training.arguments:PretrainKeys",
            "pretrain.yaml",
            "pretrain",
            "train a small model from scratch",
            "transformers.TrainingArguments",
        ),
        Phase(
            "instruct",
            "silly_llm.data.instructions",
            "silly_llm.data.instruction_arguments:InstructionArguments",
            "instructions.yaml",
            "instructions",
            "derive an instruction dataset from stories",
        ),
        Phase(
            "sft",
            "silly_llm.training.sft",
            "silly_llm.training.sft_arguments:SftKeys",
            "sft.yaml",
            "sft",
            "tune a model to follow instructions",
            "trl.SFTConfig and trl.ModelConfig",
        ),
        Phase(
            "evaluate",
            "silly_llm.evaluation.evaluate",
            "silly_llm.evaluation.arguments:EvaluationArguments",
            "evaluation.yaml",
            "evaluation",
            "measure models and write the report",
        ),
    )
}


def phase_named(name: str) -> Phase | None:
    """The phase with this command, recipe or folder name (`generate`, `generation` and `stories` are the same)."""
    return next(
        (p for p in PHASES.values() if name in (p.command, p.recipe.partition(".")[0], p.folder)), None
    )


def phase_of_recipe(file: Path, children: tuple[Path, ...] = ()) -> Phase | None:
    """The phase that a recipe file configures: `pretrain.yaml` and `pretrain-cpu.yaml` are both pretraining, and so is what extends them,
    whatever its name."""
    if named := phase_named(file.stem) or phase_named(file.stem.partition("-")[0]):
        return named
    if file in children or not file.is_file():
        return None
    from silly_llm.config import read_file
    from silly_llm.errors import RecipeError

    try:
        parents = read_file(file).get("extends") or []
    except RecipeError:  # whoever reads it will say so
        return None
    paths = [
        beside(file, p) for p in ([parents] if isinstance(parents, str) else parents) if isinstance(p, str)
    ]
    return next((phase for p in paths if (phase := phase_of_recipe(p, (*children, file)))), None)


def next_command(recipe: Recipe[Any], command: str, *words: object) -> str:
    """The command line of a later phase: its recipe beside this one, else the one that others extend."""
    name = PHASES[command].recipe
    sibling = recipe.file.with_name(name) if recipe.file else None
    if sibling is None or not sibling.is_file():
        return command_line(command, "--config", Path("base", name), *words)
    options = ["--config", name_of(sibling)]
    if recipe.environment != "default":
        options += ["--environment", recipe.environment]
    if recipe.options.output_root != "runs":
        options += ["--output_root", recipe.options.output_root]
    return command_line(command, *options, *words)


def command_line(*words: object) -> str:
    """`silly-llm WORDS…` as it can be typed into a shell in the current folder."""
    return " ".join([executable(), *(shlex.quote(str(word)) for word in words)])


def executable() -> str:
    """How to call this `silly-llm` from a shell in the current folder: by name when the path leads to it, else with its path."""
    found, beside_python = shutil.which("silly-llm"), Path(sys.executable).with_name("silly-llm")
    if found and (not beside_python.exists() or Path(found).samefile(beside_python)):
        return "silly-llm"
    if not beside_python.exists():
        return f"{shlex.quote(sys.executable)} -m silly_llm.cli"
    here = Path.cwd()
    inside = here in beside_python.parent.parents
    return shlex.quote(str(beside_python.relative_to(here) if inside else beside_python))
