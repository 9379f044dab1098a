"""The face for plugin authors: what a component extends and what it is given, from one place. Light: imports no torch.

`docs/architecture/plugins.md` has an example of each kind.
"""

from silly_llm.core.errors import NotInstalledError, RecipeError, RunError
from silly_llm.core.registry import register
from silly_llm.data.filters.base import Refusal, StoryFilter
from silly_llm.data.instructions.types import InstructionType, Story
from silly_llm.data.prompts.base import PromptGenerator, StoryPrompt
from silly_llm.data.sources import DataProvider
from silly_llm.data.vocabulary.lists import Vocabulary
from silly_llm.evaluation.metrics.base import EvaluationData, EvaluationProvider, Label, Metric, Units, estimate
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed
from silly_llm.text.languages import Language
from silly_llm.training.optim.base import OptimizerFactory

__all__ = [
    "ChatRequest", "Completion", "DataProvider", "EvaluationData", "EvaluationProvider", "InstructionType", "LLMProvider", "Label", "Language",
    "Metric", "NotInstalledError", "OptimizerFactory", "PromptGenerator", "RecipeError", "Refusal", "RequestFailed", "RunError", "Story",
    "StoryFilter", "StoryPrompt", "Units", "Vocabulary", "estimate", "register",
]  # fmt: skip
