"""Generation in shards: any array job runs one of N parts; one command merges them.

Shard I of N asks for a contiguous range of indices and leaves the judged rows in `OUTPUT_DIR/journal-shards/0000I-of-0000N/`
(journals and what belongs to them are kept when a recipe changes, and never published). The merge streams them in order
through the stateful filters, so the result equals that of one process, row for row.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core import registry
from silly_llm.core.config import Recipe
from silly_llm.core.errors import RunError
from silly_llm.core.folders.manifest import SHARD_FOLDERS
from silly_llm.data.arguments import GenerationArguments

if TYPE_CHECKING:
    from silly_llm.data.generation.writer import Filters

FOLDER = SHARD_FOLDERS
PROGRESS_EVERY = 1_000
NOT_SHARED = frozenset(
    [
        "provider",
        "output_dir",
        "shard_index",
        "validation_fraction",
        "preview",
        "dry_run",
        "max_failed",
        "max_cost",
        "max_requests",
        "max_tokens_total",
        "push_to_hub",
        "hub_dataset_id",
        "hub_private",
        "license",
        "tags",
    ]
)
"""Keys in which shards of one dataset may differ; of the provider only its type and model count."""


def indices(args: GenerationArguments) -> range:
    """The stories that this process asks for."""
    shard, of = args.shard_index or 0, args.num_shards if args.shard_index is not None else 1
    return range(shard * args.num_stories // of, (shard + 1) * args.num_stories // of)


def as_shard(recipe: Recipe[GenerationArguments]) -> Recipe[GenerationArguments]:
    """The recipe with the shard's own folder, if it is one."""
    args = recipe.args
    if args.shard_index is None:
        return recipe
    folder = shard_folder(args.output_dir, args.shard_index, args.num_shards)
    return dataclasses.replace(recipe, args=dataclasses.replace(args, output_dir=str(folder)))


def shard_folder(output_dir: str | Path, shard: int, of: int) -> Path:
    """Where a shard's rows are."""
    return Path(output_dir) / FOLDER / f"{shard:05d}-of-{of:05d}"


def identity(recipe: Recipe[GenerationArguments], inputs: Sequence[Any]) -> str:
    """A digest of what all shards of one dataset have in common."""
    from silly_llm.core.folders.provenance import digest, fingerprint

    values = {key: value for key, value in recipe.values.items() if key not in NOT_SHARED}
    name, options = registry.split_type("llm_provider", recipe.args.provider)
    digests = [digest(source) for source in inputs if source is not None]
    return fingerprint([values, name, options.get("model"), digests])


def merge(
    recipe: Recipe[GenerationArguments], filters: Filters, inputs: Sequence[Any], vocabulary_size: int | None
) -> None:
    """Make one dataset of all shards.

    Raises:
        RunError: a shard is missing, unfinished, or of another recipe.
    """
    from silly_llm.core.folders.output import open_output
    from silly_llm.data.generation.components import rules_language
    from silly_llm.data.generation.progress import Progress
    from silly_llm.data.generation.report import describe_stories, report
    from silly_llm.data.generation.rows import Teacher
    from silly_llm.data.generation.writer import StoryWriter
    from silly_llm.hub.publish import push_if_asked

    args = recipe.args
    folders = [shard_folder(args.output_dir, shard, args.num_shards) for shard in range(args.num_shards)]
    check(folders, identity(recipe, inputs))
    with open_output(recipe, inputs=[*inputs, *folders]) as output:
        if output.up_to_date:
            print(f"{output.folder} is up to date")
            push_if_asked(args, output.folder)
            return
        teacher = Teacher(registry.split_type("llm_provider", args.provider)[0])
        with Progress(args.num_stories, "stories") as progress:
            writer = StoryWriter(
                output.folder,
                filters,
                teacher,
                validation_fraction=args.validation_fraction,
                language=rules_language(args),
            )
            with writer:
                for row in judged_rows(folders):
                    writer.write([row])
                    if row["index"] >= progress.done + PROGRESS_EVERY:
                        progress.advance_to(row["index"])
        summary = describe_stories(recipe, output, writer.statistics, vocabulary_size)
        report(recipe, summary)
    push_if_asked(args, output.folder)


def check(folders: Sequence[Path], expected: str) -> None:
    """Refuse to merge what does not belong together.

    Raises:
        RunError: naming the shards that are missing or unfinished, or the first of another recipe.
    """
    from silly_llm.core.folders.output import is_finished

    lacking = [str(shard) for shard, folder in enumerate(folders) if not is_finished(folder)]
    if lacking:
        which = ", ".join(lacking[:20]) + (" …" if len(lacking) > 20 else "")
        raise RunError(
            f"{folders[0].parent}: {len(lacking)} of {len(folders)} shards are not finished (shard_index {which}); run "
            "them with the same command and --shard_index, then merge again"
        )
    for folder in folders:
        try:
            found = json.loads((folder / "provenance.json").read_text(encoding="utf-8")).get("shard")
        except (OSError, ValueError):
            found = None
        if found != expected:
            raise RunError(f"{folder}: was made by another recipe; run this shard again")


def judged_rows(folders: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The rows of shards, in the order of the stories."""
    import pyarrow.parquet as pq

    for folder in folders:
        for file in sorted((folder / "data").glob("judged-*.parquet")):
            for batch in pq.ParquetFile(file).iter_batches(batch_size=2_000):
                yield from batch.to_pylist()
