"""Story generation as datatrove pipeline steps, so that its executors (local, Slurm, Ray) run the shards.

Each task runs what `silly-llm generate --num_shards TASKS --shard_index RANK` runs; a last task of its own merges, with exact and near
duplicates removed over all shards. Needs the extra `datatrove`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from datatrove.pipeline.base import PipelineStep


class GenerateShard(PipelineStep):
    """One shard of the stories: the task's rank of the world's size. Yields no documents, for the rows are in the shard's folder.

    Args:
        arguments: of `silly-llm generate`, without `num_shards` and `shard_index`.
    """

    name = "Silly LLM stories"
    type = "generate"

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__()
        self.arguments = list(arguments)

    def shard(self, rank: int, world_size: int) -> list[str]:
        """The arguments that say which shard it is."""
        return ["--num_shards", str(world_size), "--shard_index", str(rank)]

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Generate, or merge."""
        from silly_llm.data.generation.generate import main

        with self.track_time():
            main([*self.arguments, *self.shard(rank, world_size)])
        yield from data or ()


class MergeShards(GenerateShard):
    """The dataset of all shards; one task.

    Args:
        arguments: as for `GenerateShard`.
        num_shards: how many shards there are.
    """

    type = "merge"

    def __init__(self, arguments: Sequence[str], num_shards: int) -> None:
        super().__init__(arguments)
        self.num_shards = num_shards

    def shard(self, rank: int, world_size: int) -> list[str]:
        """Of none: all are merged."""
        return ["--num_shards", str(self.num_shards)]
