"""Check whether a phase would accept a recipe, without running it."""

from __future__ import annotations

import importlib

from silly_llm.core.config import Options, Recipe, load_recipe
from silly_llm.core.phases import Phase


def check_recipe(phase: Phase, argv: list[str] | Options) -> Recipe:
    """Read one recipe and raise the errors its phase would raise; builds and writes nothing."""
    module = importlib.import_module(phase.module)
    recipe = load_recipe(argv, phase=phase.command, arguments=module.ARGUMENTS)
    if hasattr(module, "check_components"):
        module.check_components(recipe.args)
    return recipe
