"""Generation in shards: any array job runs one of N parts; one command merges them.

Shard I of N requests a contiguous range of indices and writes the judged rows to `OUTPUT_DIR/journal-shards/0000I-of-0000N/`
(journals and related files are kept when a recipe changes, and never published). The merge streams them in order
through the stateful filters, so the result equals that of one process, row for row.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silly_llm.core.config import Recipe
from silly_llm.core.errors import RunError
from silly_llm.core.folders.manifest import SHARD_FOLDERS
from silly_llm.data.arguments import GenerationArguments

if TYPE_CHECKING:
    from silly_llm.data.generation.components import GenerationComponents
    from silly_llm.data.generation.statistics import StoryStatistics

NOT_SHARED = {
    "provider", "output_dir", "shard_index", "validation_fraction", "preview", "dry_run", "max_failed", "max_cost", "max_requests",
    "max_tokens_total", "push_to_hub", "hub_dataset_id", "hub_private", "license", "tags",
}  # fmt: skip
"""Keys in which shards of one dataset may differ; for the provider only its type and model count."""


def indices(args: GenerationArguments) -> range:
    """The indices of the stories that this process requests."""
    shard, of = args.shard_index or 0, args.num_shards if args.shard_index is not None else 1
    return range(shard * args.num_stories // of, (shard + 1) * args.num_stories // of)


def as_shard(recipe: Recipe[GenerationArguments]) -> Recipe[GenerationArguments]:
    """The recipe with the shard's own output folder, if it is a shard."""
    args = recipe.args
    if args.shard_index is None:
        return recipe
    return dataclasses.replace(
        recipe, args=dataclasses.replace(args, output_dir=str(folder_of(args, args.shard_index)))
    )


def folder_of(args: GenerationArguments, shard: int) -> Path:
    """The folder of a shard."""
    return Path(args.output_dir) / SHARD_FOLDERS / f"{shard:05d}-of-{args.num_shards:05d}"


def identity(recipe: Recipe[GenerationArguments], parts: GenerationComponents, inputs: Sequence[Any]) -> str:
    """A digest of what all shards of one dataset have in common."""
    from silly_llm.core.folders.provenance import digest, fingerprint

    values = {key: value for key, value in recipe.values.items() if key not in NOT_SHARED}
    digests = [digest(source) for source in inputs if source is not None]
    return fingerprint([values, parts.teacher.name, parts.teacher.options.get("model"), digests])


def finished(recipe: Recipe[GenerationArguments], parts: GenerationComponents, inputs: Sequence[Any]) -> list[Path]:
    """The folders of all shards.

    Raises:
            RunError: naming the shards that are missing or unfinished, or the first with a different recipe.
    """
    from silly_llm.core.folders.output import is_finished

    folders = [folder_of(recipe.args, shard) for shard in range(recipe.args.num_shards)]
    lacking = [str(shard) for shard, folder in enumerate(folders) if not is_finished(folder)]
    if lacking:
        which = ", ".join(lacking[:20]) + (" …" if len(lacking) > 20 else "")
        raise RunError(
            f"{folders[0].parent}: {len(lacking)} of {len(folders)} shards are not finished (shard_index {which}); run "
            "them with the same command and --shard_index, then merge again"
        )
    expected = identity(recipe, parts, inputs)
    for folder in folders:
        try:
            found = json.loads((folder / "provenance.json").read_text(encoding="utf-8")).get("shard")
        except (OSError, ValueError):
            found = None
        if found != expected:
            raise RunError(f"{folder}: was made with a different recipe; run this shard again")
    return folders


def merge(parts: GenerationComponents, folder: Path) -> StoryStatistics:
    """Write one dataset from the rows of all shards."""
    from silly_llm.data.generation.progress import Progress
    from silly_llm.data.generation.writer import StoryWriter

    args = parts.args
    with Progress(args.num_stories, "stories") as progress, StoryWriter(folder, parts) as writer:
        for row in judged_rows(args):
            writer.write([row])
            progress.advance_to(row["index"])
        return writer.finish()


def judged_rows(args: GenerationArguments) -> Iterator[dict[str, Any]]:
    """The rows of all shards, in the order of the stories."""
    import pyarrow.parquet as pq

    for shard in range(args.num_shards):
        for file in sorted((folder_of(args, shard) / "data").glob("judged-*.parquet")):
            for batch in pq.ParquetFile(file.absolute()).iter_batches(batch_size=2_000):
                yield from batch.to_pylist()
