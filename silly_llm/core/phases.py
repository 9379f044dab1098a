"""The phases: their commands, modules, recipe files and folders. One table, read by the command line and `silly-llm run`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class Phase:
    """One phase of the path from an idea to a model."""

    command: str
    """The sub-command of `silly-llm`."""
    recipe: str
    """The file of a recipe folder that configures it."""
    folder: str
    """Its folder below `runs/NAME/`."""
    module: str
    """The module whose `main` is the phase."""
    arguments: str
    """`module:Class` of the light dataclass that lists the phase's own keys."""
    summary: str
    """One line for `--help`."""
    passes_to: str = ""
    """The Hugging Face classes whose keys a recipe of this phase may use too."""

    @property
    def runnable(self) -> str:
        """What `python -m` runs: the module's package where that can be run."""
        package = self.module.rpartition(".")[0]
        return package if find_spec(f"{package}.__main__") else self.module


# fmt: off
PHASES = {phase.command: phase for phase in (
    Phase("vocabulary", "vocabulary.yaml", "vocabulary", "silly_llm.data.vocabulary.vocabulary",
          "silly_llm.data.arguments:VocabularyArguments", "make the vocabulary of a child: nouns, verbs, adjectives"),
    Phase("generate", "generation.yaml", "stories", "silly_llm.data.generation.generate",
          "silly_llm.data.arguments:GenerationArguments", "have an LLM write a dataset of stories"),
    Phase("pretrain", "pretrain.yaml", "pretrain", "silly_llm.training.pretrain",
          "silly_llm.training.arguments:PretrainKeys", "train a small model from scratch", "transformers.TrainingArguments"),
    Phase("instruct", "instructions.yaml", "instructions", "silly_llm.data.instructions.instruct",
          "silly_llm.data.instructions.arguments:InstructionArguments", "derive an instruction dataset from stories"),
    Phase("sft", "sft.yaml", "sft", "silly_llm.training.sft",
          "silly_llm.training.arguments:SftKeys", "tune a model to follow instructions", "trl.SFTConfig and trl.ModelConfig"),
    Phase("evaluate", "evaluation.yaml", "evaluation", "silly_llm.evaluation.evaluate",
          "silly_llm.evaluation.arguments:EvaluationArguments", "measure models and write the report"),
)}
# fmt: on


def phase_named(name: str) -> Phase | None:
    """The phase with this command, recipe or folder name (`generate`, `generation` and `stories` are the same)."""
    return next((p for p in PHASES.values() if name in (p.command, p.recipe.partition(".")[0], p.folder)), None)
