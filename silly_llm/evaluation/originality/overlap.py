"""How many held-out documents stand in the text that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from silly_llm.asking.engine import batches
from silly_llm.core.errors import RecipeError, RunError, first_line
from silly_llm.evaluation.arguments import ModelEntry
from silly_llm.evaluation.originality.ngrams import BLOCK, Closest, Ngrams, Words
from silly_llm.evaluation.originality.training_text import TrainingText, training_text

RUN = 13
"""Words of a run that texts do not share by chance (Brown et al. 2020, appendix C)."""
MOSTLY = 0.5
"""Share of a document's runs that one training document has, from which on the document counts as standing there."""


def overlaps(models: Sequence[ModelEntry], documents: Sequence[str], limit: int) -> tuple[dict[str, Any], list[str]]:
    """What `overlap` finds for each model by name, printed; and of the lines printed those that belong into a report."""
    found, notes = {}, []
    for model in models if limit else ():
        found[model.name] = counts = overlap(documents, training_text(model.path, model.revision), limit)
        measured = []
        if "documents" in counts:
            measured.append(
                f"{model.name}: of {counts['documents']:,} held-out documents {counts['exact']:,} stand in its training text word for "
                f"word, {counts['mostly']:,} more mostly ({counts['training_documents']:,} training documents looked through)"
            )
        what = f"overlap of {model.name} with its training text: not measured"
        lacking = [f"{what}: {reason}" for reason in counts["not_measured"]]
        print(*measured, *lacking, sep="\n", flush=True)
        telling = measured if counts.get("exact") or counts.get("mostly") else []
        notes += [f"{line}." for line in (*telling, *lacking)]
    return found, notes


def overlap(documents: Sequence[str], training: TrainingText, limit: int) -> dict[str, Any]:
    """Look for documents in a training set, in one pass.

    Args:
        limit: Training documents to look through, of each source.

    Returns:
        `documents` looked for, `exact` (the same but for white space and case), `mostly` (of the others, those of whose runs of 13
        words one training document has at least half), `training_documents` looked through, and `not_measured`, what is
        missing of the training set, a line each; without any of it, that alone.
    """
    missing = list(training.missing)
    wanted = [" ".join(document.lower().split()) for document in documents]
    known, found = set(wanted), set()
    runs = Closest(Ngrams(Words(documents), RUN))
    seen = 0
    try:
        for block in batches(training.texts(limit), BLOCK):
            seen += len(block)
            runs.see(block, runs.grams.of(Words(block))[0])
            found |= known.intersection(" ".join(text.lower().split()) for text in block)
    except (RecipeError, RunError) as error:
        missing.append(first_line(error))
    if not seen:
        return {"not_measured": missing}
    exact = [text in found for text in wanted]
    mostly = (runs.shared >= MOSTLY * runs.grams.sizes) & (runs.grams.sizes > 0)
    made = {"documents": len(wanted), "exact": sum(exact), "mostly": int(mostly.sum() - mostly[exact].sum())}
    if training.cut:
        missing.append(f"all but the first {limit:,} documents of each source (overlap_documents)")
    return made | {"training_documents": seen, "not_measured": missing}
