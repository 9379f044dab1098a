"""Reporting on finished stories: statistics and card in the folder, a summary on the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from silly_llm.core.config import Recipe
from silly_llm.core.errors import RunError
from silly_llm.core.launch import next_command
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.prompts.templates import tells_tinystories
from silly_llm.providers.base import UNCOUNTED
from silly_llm.providers.thinking import SWITCH_OFF

if TYPE_CHECKING:
    from silly_llm.asking.engine import RequestCounts
    from silly_llm.core.folders.output import Output
    from silly_llm.data.generation.components import GenerationComponents
    from silly_llm.data.generation.statistics import StoryStatistics


def failures(tally: RequestCounts, total: int) -> str:
    """One line about requests that failed after all retries."""
    return (
        f"{tally.failed} of {total} requests failed ({tally.reasons.most_common(1)[0][0]}); the answers to all others are kept, "
        "and the same command requests only the missing ones (or allow for them with --max_failed)"
    )


def describe_stories(
    recipe: Recipe[GenerationArguments],
    output: Output,
    parts: GenerationComponents,
    statistics: StoryStatistics,
    tally: RequestCounts | None,
    seconds: float | None,
) -> dict[str, Any]:
    """Write statistics and card, and record what was made; returns the statistics. Raises `RunError` if no story was kept."""
    from silly_llm.core.folders.files import write_text
    from silly_llm.hub.cards import dataset_card, write_card

    summary = statistics.summary(parts.prompts.vocabulary_size)
    thinking = summary.get("thinking")
    if thinking and parts.prices:
        thinking["cost"] = round(parts.prices.cost(0, thinking["tokens"]), 6)
    if not summary["stories"]["kept"] and recipe.args.shard_index is None:
        top = next(iter(summary["rejected_reasons"]), "no answers")
        hint = f"; {SWITCH_OFF}" if top.startswith("thinking") else ""
        raise RunError(
            f"{output.folder}: the filters refused every story (most often: {top}); see its split `rejected`{hint}"
        )
    write_text(output.folder / "statistics.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    shown = {"splits": dict(statistics.splits)} | {k: v for k, v in summary.items() if k not in ("stories", "sample")}
    if seconds is not None:  # only in the card: the same rows give the same statistics.json
        shown["last_run_seconds"] = round(seconds, 1)
    card = dataset_card(
        "stories",
        recipe,
        statistics=shown,
        sample=statistics.sample,
        texts=statistics.texts,
        tinystories=tells_tinystories(recipe.args),
    )
    write_card(output.folder, card)
    recorded = ("stories", "rejected_by", "tokens", "cost", "thinking", "cleaned_by")
    output.record(
        **{name: summary[name] for name in recorded if name in summary},
        teacher={"provider": parts.teacher.name, "model": next(iter(summary["models"]), None)},
    )
    if tally is not None:
        output.record(requests={"asked": tally.asked, "reused": tally.reused, "failed": tally.failed})
    return summary


def report(recipe: Recipe[GenerationArguments], summary: dict[str, Any], tally: RequestCounts | None) -> None:
    """Print what was made, where it is, and the next command."""
    stories, tokens, args = summary["stories"], summary["tokens"], recipe.args
    splits = ("train", "validation", "rejected") if "judged" not in stories else ("judged",)
    counts = ", ".join(f"{stories.get(split, 0):,} {split}" for split in splits)
    print(f"{stories['total']:,} {args.corpus} in {args.output_dir}: {counts}")
    if rejected := counted(summary["rejected_by"]):
        print(f"rejected by: {rejected} (one text may have several reasons)")
    if cleaned := counted(summary.get("cleaned_by", {})):
        print(f"cleaned of: {cleaned}")
    if tally is not None and tally.reused:
        print(f"{tally.reused:,} answers came from the journal, {tally.asked:,} were requested")
    cost = "" if summary["cost"] is None else f", cost {summary['cost']:,.4f}"
    used = f"{tokens['prompt']:,} prompt tokens, {tokens['completion']:,} completion tokens{cost}"
    print(used if any(tokens.values()) or tally is None else UNCOUNTED)
    if thinking := summary.get("thinking"):
        estimated = " (estimated)" if thinking["estimated"] else ""
        cost = f", cost {thinking['cost']:,.4f}" if thinking.get("cost") is not None else ""
        took = f"{thinking['tokens']:,} of the completion tokens{estimated}{cost}"
        print(f"thinking in {thinking['answers']:,} answers: {took}")
    if used_up := sum(n for reason, n in summary["rejected_reasons"].items() if reason.startswith("thinking")):
        print(f"{used_up:,} answers contain nothing but thinking: {SWITCH_OFF}")
    if args.shard_index is not None:
        print(f"when all {args.num_shards} shards are finished, the same command without --shard_index merges them")
        return
    print(f"next: {next_command(recipe, 'pretrain', '--dataset', args.output_dir)}")


def counted(counts: dict[str, int]) -> str:
    """Names with their counts."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
