"""Results of an evaluation in a model's folder: on its card, for people and as `model-index`, and in `.eval_results/`.

Only what a training of ours finished and nobody edited since is touched, and its manifest follows: the folder stays as it
was for `pretrain` and `sft`, and its digest as an input too, which counts neither cards nor hidden files
(`silly_llm.core.folders.provenance.VOLATILE`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from silly_llm.core.errors import RunError
from silly_llm.core.folders import manifest
from silly_llm.core.folders.changes import TRAINS
from silly_llm.core.folders.files import locked, write_text
from silly_llm.core.folders.output import read_state
from silly_llm.core.pages.markdown import inline, one_line
from silly_llm.hub.cards import PLACEHOLDER, interval_row


@dataclass(frozen=True)
class Result:
    """One number of an evaluation."""

    name: str
    title: str
    metric: Mapping[str, Any]
    """`value`, `low`, `high`, `n`, as in `results.json`."""
    dataset: str
    """What it was measured on, in words."""
    dataset_id: str | None = None
    """That dataset on the Hub; without one there is no entry in `.eval_results`, which is for benchmarks of the Hub."""


def add_results(folder: Path, key: str, heading: str, results: Sequence[Result], note: str) -> str:
    """Put the results of one evaluation on a model's card, in place of those with the same key.

    Args:
        key: names the evaluation's texts: letters and digits.
        note: how it was measured, below the table.

    Returns:
        One line: what was done, or why not; empty where the card says so already.
    """
    state, card = read_state(folder), folder / "README.md"
    if state.get("phase") not in TRAINS or not state["finished"]:
        return f"{folder}: no finished training of silly-llm; its card stays without these results"
    if not card.is_file() or manifest.recorded(folder).get(card.name) != manifest.file_digest(card):
        return f"{card}: edited or removed since silly-llm wrote it; it stays without these results"
    before = card.read_text(encoding="utf-8")
    texts = {card.name: with_results(before, key, heading, results, note)}
    if entries := hub_entries(results, note):
        texts[f".eval_results/silly-llm-{key}.yaml"] = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)
    if all((folder / name).is_file() and (folder / name).read_text("utf-8") == text for name, text in texts.items()):
        return ""
    try:
        with locked(folder):
            for name, text in texts.items():
                write_text(folder / name, text)
            manifest.record(folder, texts)
    except (RunError, OSError) as error:
        return f"{card}: stays without these results: {error}"
    return f"{folder}: its card has these results" + (", and .eval_results too" if entries else "")


def with_results(card: str, key: str, heading: str, results: Sequence[Result], note: str) -> str:
    """The text of a card with the results in its header and in a section of their own."""
    from huggingface_hub import EvalResult, ModelCard

    made = ModelCard(card)
    header: Any = made.data
    kept = [r for r in header.eval_results or [] if key not in str(r.dataset_config)]
    new = [
        EvalResult(
            task_type="text-generation",
            dataset_type=result.dataset_id or "text",
            dataset_name=one_line(result.dataset),
            dataset_config=re.sub(r"\W+", "-", f"{result.dataset} {key}"),  # what differs in its name alone is merged
            metric_type=one_line(result.name),
            metric_name=one_line(result.title),
            metric_value=result.metric["value"],
        )
        for result in results
    ]
    header.eval_results, header.model_name = kept + new, header.model_name or PLACEHOLDER
    rows = "\n".join(f"| {inline(r.title)} | {' | '.join(interval_row(r.metric))} |" for r in results)
    begin, end = f"<!-- evaluation {key} -->", f"<!-- end of evaluation {key} -->"
    table = f"| Metric | Value | 95 % interval | n |\n|---|---:|---|---:|\n{rows}"
    section = f"{begin}\n## {inline(heading)}\n\n{table}\n\n{inline(note)}\n{end}\n\n"
    text = re.sub(f"{begin}.*?{end}\n\n", "", made.text, flags=re.DOTALL)
    place = re.search("^## (Statistics|Samples|How it was made|Limitations)$", text, flags=re.MULTILINE)
    at = place.start() if place else len(text)
    made.text = f"{text[:at]}{section}{text[at:]}"
    return f"{str(made).rstrip()}\n"


def hub_entries(results: Sequence[Result], note: str) -> list[dict[str, Any]]:
    """What `.eval_results/*.yaml` says: the results on datasets of the Hub, a task a metric."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = []
    for result in (r for r in results if r.dataset_id):
        _, interval, n = interval_row(result.metric)
        facts = [f"95 % interval {interval}" if interval else "", f"n = {n}" if n else "", one_line(note)]
        how = "; ".join(filter(None, facts))
        entries.append(EvalResultEntry(str(result.dataset_id), result.name, result.metric["value"], notes=how))
    return eval_result_entries_to_yaml(entries)
