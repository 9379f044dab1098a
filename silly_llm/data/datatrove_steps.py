"""Story generation as datatrove pipeline steps, so that its executors (local, Slurm, Ray) run the shards.

Each task runs `silly-llm generate --num_shards TASKS --shard_index RANK`; a separate last task merges, removing exact and near
duplicates across all shards. Needs the extra `datatrove`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from datatrove.pipeline.base import PipelineStep


class GenerateStories(PipelineStep):
    """One shard of the stories (the task's rank of the world size), or the merge of all. Its rows go to a folder, so it yields no documents.

    Args:
            arguments: options of `silly-llm generate`, without `num_shards` and `shard_index`.
            merge: number of shards to merge, in one task.
    """

    name = "Silly LLM stories"
    type = "generate"

    def __init__(self, arguments: Sequence[str], merge: int | None = None) -> None:
        super().__init__()
        self.arguments, self.merge = list(arguments), merge

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Generate, or merge."""
        from silly_llm.data.generation.generate import main

        shard = ["--num_shards", str(self.merge or world_size)]
        if self.merge is None:
            shard += ["--shard_index", str(rank)]
        with self.track_time():
            main([*self.arguments, *shard])
        yield from data or ()
