"""What is said of finished stories: statistics and card in the folder, a few lines for the person who ran the phase."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from silly_llm.core import registry
from silly_llm.core.config import Recipe
from silly_llm.core.errors import RunError
from silly_llm.core.launch import next_command
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.prompts.templates import tells_tinystories
from silly_llm.providers.base import Prices
from silly_llm.providers.thinking import SWITCH_OFF

if TYPE_CHECKING:
    from silly_llm.asking.engine import RequestCounts
    from silly_llm.core.folders.output import Output
    from silly_llm.data.generation.statistics import StoryStatistics


def failures(tally: RequestCounts, total: int) -> str:
    """One line about requests that failed after all retries."""
    reason = max(tally.reasons, key=lambda r: tally.reasons[r])
    return (
        f"{tally.failed} of {total} requests failed ({reason}); the answers to all others are kept, and the same command "
        "asks only for the missing ones (or allow for them with --max_failed)"
    )


def describe_stories(
    recipe: Recipe[GenerationArguments],
    output: Output,
    statistics: StoryStatistics,
    vocabulary_size: int | None,
    tally: RequestCounts | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Write statistics and card, and note what was made; the statistics.

    Raises:
        RunError: no story was kept.
    """
    from silly_llm.core.folders.files import write_text
    from silly_llm.hub.publish import dataset_card, write_card

    summary = statistics.summary(vocabulary_size)
    thinking = summary.get("thinking")
    if thinking and (prices := prices_of(recipe.args)):
        thinking["cost"] = round(prices.cost(0, thinking["tokens"]), 6)
    if not summary["stories"]["kept"] and recipe.args.shard_index is None:
        top = next(iter(summary["rejected_reasons"]), "no answers")
        hint = f"; {SWITCH_OFF}" if top.startswith("thinking") else ""
        raise RunError(
            f"{output.folder}: the filters refused every story (most often: {top}); see its split `rejected`{hint}"
        )
    write_text(output.folder / "statistics.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    shown = {"splits": dict(statistics.splits)} | {k: v for k, v in summary.items() if k not in ("stories", "sample")}
    if seconds is not None:  # in the card alone: the same rows give the same statistics.json
        shown["last_run_seconds"] = round(seconds, 1)
    write_card(
        output.folder,
        dataset_card(
            "stories",
            recipe,
            statistics=shown,
            sample=statistics.sample,
            texts=statistics.texts,
            tinystories=tells_tinystories(recipe.args),
        ),
    )
    output.record(
        stories=summary["stories"],
        rejected_by=summary["rejected_by"],
        tokens=summary["tokens"],
        cost=summary["cost"],
        **{name: summary[name] for name in ("thinking", "cleaned_by") if name in summary},
        teacher={
            "provider": registry.split_type("llm_provider", recipe.args.provider)[0],
            "model": next(iter(summary["models"]), None),
        },
    )
    if tally is not None:
        output.record(requests={"asked": tally.asked, "reused": tally.reused, "failed": tally.failed})
    return summary


def report(recipe: Recipe[GenerationArguments], summary: dict[str, Any], tally: RequestCounts | None = None) -> None:
    """Say what was made, where it is, and what comes next."""
    stories = summary["stories"]
    args = recipe.args
    splits: Iterable[str] = ("train", "validation", "rejected") if "judged" not in stories else ("judged",)
    parts = [f"{stories.get(split, 0):,} {split}" for split in splits]
    print(f"{stories['total']:,} {args.corpus} in {args.output_dir}: {', '.join(parts)}")
    if summary["rejected_by"]:
        reasons = ", ".join(f"{name} {count:,}" for name, count in summary["rejected_by"].items())
        print(f"rejected by: {reasons} (one text may have several reasons)")
    if summary.get("cleaned_by"):
        steps = ", ".join(f"{name} {count:,}" for name, count in summary["cleaned_by"].items())
        print(f"cleaned of: {steps}")
    if tally is not None and tally.reused:
        print(f"{tally.reused:,} answers came from the journal, {tally.asked:,} were asked for")
    cost = "" if summary["cost"] is None else f", cost {summary['cost']:,.4f}"
    tokens = summary["tokens"]
    print(f"{tokens['prompt']:,} prompt tokens, {tokens['completion']:,} completion tokens{cost}")
    if thinking := summary.get("thinking"):
        print(f"thinking in {thinking['answers']:,} answers: {said_of_thinking(thinking)}")
    if used_up := sum(n for reason, n in summary["rejected_reasons"].items() if reason.startswith("thinking")):
        print(f"{used_up:,} answers have nothing behind their thinking: {SWITCH_OFF}")
    if args.shard_index is not None:
        print(f"when all {args.num_shards} shards are there, the same command without --shard_index merges them")
        return
    print(f"next: {next_command(recipe, 'pretrain', '--dataset', args.output_dir)}")


def said_of_thinking(thinking: Mapping[str, Any]) -> str:
    """Its tokens and their cost, for people."""
    estimated = " (estimated)" if thinking["estimated"] else ""
    cost = f", cost {thinking['cost']:,.4f}" if thinking.get("cost") is not None else ""
    return f"{thinking['tokens']:,} of the completion tokens{estimated}{cost}"


def prices_of(args: GenerationArguments) -> Prices | None:
    """What the recipe says that the provider's tokens cost."""
    return Prices.of(registry.split_type("llm_provider", args.provider)[1].get("price_per_million") or {})
