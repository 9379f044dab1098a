"""Prompt templates: ours by name, the recipe's own text or file; sandboxed Jinja with strict variables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.registry import split_type
from silly_llm.data.arguments import GenerationArguments, PromptSettings
from silly_llm.data.opening import read_text
from silly_llm.data.vocabulary.lists import PARTS_OF_SPEECH
from silly_llm.text.features import DESCRIPTIONS

TEMPLATES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.jinja"))}
"""The named templates, all for stories: the files in this folder."""


def variables(
    slots: Mapping[str, str],
    features: Sequence[str],
    *,
    words: Sequence[str] | None = None,
    descriptions: Mapping[str, str] = DESCRIPTIONS,
) -> dict[str, Any]:
    """The variables of a template: each slot by name, `words` (default: of all slots), `features` (names) and `feature_phrases`."""
    return {
        **slots,
        "words": list(slots.values() if words is None else words),
        "features": list(features),
        "feature_phrases": [descriptions[name] for name in features],
    }


def compile_template(
    text: str,
    named: Mapping[str, str] | None = None,
    *,
    slots: Sequence[str] = tuple(PARTS_OF_SPEECH),
    descriptions: Mapping[str, str] = DESCRIPTIONS,
) -> tuple[str, Any]:
    """The name and the compiled template, in sandboxed Jinja; an unknown variable is an error before anything is sent.

    Args:
        text: a name, a path that ends in `.jinja`, or a template.
        named: the recipe's own names and texts, which take precedence over ours.
        slots: the slots, which a template may use by name: noun, verb and adjective for a story.
        descriptions: how a prompt describes each feature.

    Raises:
        RecipeError: unknown name, bad syntax, unknown variable, or a text that uses none.
    """
    from jinja2 import StrictUndefined, TemplateError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if not text.strip():
        raise RecipeError("template: is empty")
    known = TEMPLATES | dict(named or {})
    for path in template_files(text):
        text = read_text(path, "template")
    source = known.get(text, text)
    name = text if text in known else f"custom-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    if text not in known and "{{" not in text and len(text.split()) == 1:
        raise RecipeError(f"template: unknown template {text!r}{suggestion(text, known)}; known: {', '.join(known)}")
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    example = variables({slot: slot for slot in slots}, tuple(descriptions), descriptions=descriptions)
    try:
        used = meta.find_undeclared_variables(environment.parse(source))
        if unknown := sorted(used - set(example)):
            near = suggestion(unknown[0], example)
            raise RecipeError(f"template: unknown variable {unknown[0]!r}{near}; known: {', '.join(example)}")
        compiled = environment.from_string(source)
        if compiled.render(**example) == compiled.render(**variables(dict.fromkeys(slots, ""), ())):
            raise RecipeError(f"template: uses none of {', '.join(example)}, so all prompts would be the same")
    except RecipeError:
        raise
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise RecipeError(f"template: {' '.join(str(error).split())}") from None
    return name, compiled


def compiled_templates(
    settings: PromptSettings, slots: Sequence[str] = tuple(PARTS_OF_SPEECH)
) -> list[tuple[str, Any, float]]:
    """Name, compiled template and weight of each, for what is drawn for each text."""
    given = [settings.template] if isinstance(settings.template, str) else settings.template
    weights = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given, 1.0)
    if not given:
        raise RecipeError("template: the list is empty")
    if min(weights.values()) < 0 or not sum(weights.values()):
        raise RecipeError("template: weights must not be negative and not all zero")
    named, descriptions = settings.templates, settings.descriptions
    return [(*compile_template(t, named, slots=slots, descriptions=descriptions), weights[t]) for t in given]


def template_files(template: Any) -> list[str]:
    """The files among a recipe's templates."""
    texts = [template] if isinstance(template, str) else list(template)
    return [text for text in texts if text.endswith(".jinja") and "\n" not in text]


def tells_tinystories(args: GenerationArguments) -> bool:
    """Whether a recipe's prompts and templates are the paper's, in its language."""
    generator, _ = split_type("prompt_generator", args.prompt_generator)
    given = {args.template} if isinstance(args.template, str) else set(args.template)
    ours = generator == "tinystories" and given <= TEMPLATES.keys() - set(args.templates)
    return ours and args.written_language() in ("en", None) and args.corpus == "stories"
