"""The phases: their commands, modules, recipe files and folders. One table, read by the CLI and the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Phase:
    """One phase of the path from an idea to a model."""

    command: str
    """The sub-command of `silly-llm`."""
    module: str
    """The module whose `main` is the phase."""
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
    run_as: str = ""
    """What `python -m` runs, where it is not the module itself but its package."""

    @property
    def runnable(self) -> str:
        return self.run_as or self.module


PHASES = {
    phase.command: phase
    for phase in (
        Phase(
            "vocabulary",
            "silly_llm.data.vocabulary.vocabulary",
            "silly_llm.data.arguments:VocabularyArguments",
            "vocabulary.yaml",
            "vocabulary",
            "make the vocabulary of a child: nouns, verbs, adjectives",
            run_as="silly_llm.data.vocabulary",
        ),
        Phase(
            "generate",
            "silly_llm.data.generation.generate",
            "silly_llm.data.arguments:GenerationArguments",
            "generation.yaml",
            "stories",
            "have an LLM write a dataset of stories",
            run_as="silly_llm.data.generation",
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
            "silly_llm.data.instructions.instruct",
            "silly_llm.data.instructions.arguments:InstructionArguments",
            "instructions.yaml",
            "instructions",
            "derive an instruction dataset from stories",
            run_as="silly_llm.data.instructions",
        ),
        Phase(
            "sft",
            "silly_llm.training.sft",
            "silly_llm.training.arguments:SftKeys",
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
    return next((p for p in PHASES.values() if name in (p.command, p.recipe.partition(".")[0], p.folder)), None)
