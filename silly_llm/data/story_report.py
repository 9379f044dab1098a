"""What is said of finished stories: statistics and card in the folder, a few lines for whoever ran the phase."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from silly_llm import registry
from silly_llm.config import Recipe
from silly_llm.data.arguments import GenerationArguments
from silly_llm.errors import RunError

if TYPE_CHECKING:
    from silly_llm.data.answers import Tally
    from silly_llm.data.statistics import StoryStatistics
    from silly_llm.output import Output


def failures(tally: Tally, total: int) -> str:
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
    tally: Tally | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Write statistics and card, and note what was made; the statistics.

    Raises:
        RunError: no story was kept.
    """
    from silly_llm.hub import dataset_card, write_card
    from silly_llm.output import write_text

    summary = statistics.summary(vocabulary_size)
    if not summary["stories"]["kept"] and recipe.args.shard_index is None:
        top = next(iter(summary["rejected_reasons"]), "no answers")
        raise RunError(
            f"{output.folder}: the filters refused every story (most often: {top}); see its split `rejected`"
        )
    write_text(output.folder / "statistics.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    shown = {"splits": dict(statistics.splits)} | {
        k: v for k, v in summary.items() if k not in ("stories", "sample")
    }
    if seconds is not None:  # in the card alone: the same rows give the same statistics.json
        shown["last_run_seconds"] = round(seconds, 1)
    write_card(
        output.folder,
        dataset_card("stories", recipe, statistics=shown, sample=statistics.sample, texts=statistics.texts),
    )
    output.record(
        stories=summary["stories"],
        rejected_by=summary["rejected_by"],
        tokens=summary["tokens"],
        cost=summary["cost"],
        teacher={
            "provider": registry.split_type("llm_provider", recipe.args.provider)[0],
            "model": next(iter(summary["models"]), None),
        },
    )
    if tally is not None:
        output.record(requests={"asked": tally.asked, "reused": tally.reused, "failed": tally.failed})
    return summary


def report(recipe: Recipe[GenerationArguments], summary: dict[str, Any], tally: Tally | None = None) -> None:
    """Say what was made, where it is, and what comes next."""
    stories = summary["stories"]
    args = recipe.args
    splits: Iterable[str] = ("train", "validation", "rejected") if "judged" not in stories else ("judged",)
    parts = [f"{stories.get(split, 0):,} {split}" for split in splits]
    print(f"{stories['total']:,} {args.corpus} in {args.output_dir}: {', '.join(parts)}")
    if summary["rejected_by"]:
        reasons = ", ".join(f"{name} {count:,}" for name, count in summary["rejected_by"].items())
        print(f"rejected by: {reasons} (one text may have several reasons)")
    if tally is not None and tally.reused:
        print(f"{tally.reused:,} answers came from the journal, {tally.asked:,} were asked for")
    cost = "" if summary["cost"] is None else f", cost {summary['cost']:,.4f}"
    tokens = summary["tokens"]
    print(f"{tokens['prompt']:,} prompt tokens, {tokens['completion']:,} completion tokens{cost}")
    if args.shard_index is not None:
        print(
            f"when all {args.num_shards} shards are there, the same command without --shard_index merges them"
        )
        return
    print(f"next: silly-llm pretrain {next_config(recipe, 'pretrain.yaml')} --dataset {args.output_dir}")


def next_config(recipe: Recipe[Any], name: str) -> str:
    """`--config` (and `--environment`) for the next phase: its recipe beside this one, else the one that others extend."""
    sibling = recipe.file.with_name(name) if recipe.file else None
    if sibling is None or not sibling.is_file():
        return f"--config recipes/base/{name}"
    environment = f" --environment {recipe.environment}" if recipe.environment != "default" else ""
    return f"--config {sibling}{environment}"
