"""Generate stories in shards by datatrove: on this machine, as a Slurm array, or on a Ray cluster; then merge them.

    python scripts/datatrove_generation.py --tasks 8 --workers 2 --config recipes/quickstart/generation.yaml --output_dir runs/big
    python scripts/datatrove_generation.py --executor slurm --partition cpu --tasks 64 --config … --output_dir /shared/big

Options of this script come first; everything else goes to `silly-llm generate`. A task that failed or was killed is run again by the
same command, and continues where it was. `output_dir` must be on a file system that all tasks share. Needs `pip install
"silly-llm[datatrove]"`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--executor", choices=["local", "slurm", "ray"], default="local")
    parser.add_argument("--tasks", type=int, default=8, help="shards")
    parser.add_argument("--workers", type=int, default=-1, help="tasks at once; -1: all")
    parser.add_argument("--logging_dir", type=Path, default=Path("runs/datatrove-logs"))
    parser.add_argument("--partition", default="cpu", help="of Slurm")
    parser.add_argument("--time", default="24:00:00", help="limit of a Slurm task")
    parser.add_argument("--cpus_per_task", type=int, default=2)
    options, arguments = parser.parse_known_args()

    from silly_llm.data.datatrove_steps import GenerateStories

    def executor(step: Any, name: str, tasks: int, depends: Any = None) -> Any:
        logs = {"logging_dir": str(options.logging_dir / name), "skip_completed": False}  # ours know what is done
        if options.executor == "slurm":
            from datatrove.executor import SlurmPipelineExecutor

            more = {"partition": options.partition, "time": options.time, "job_name": f"stories-{name}"}
            more |= {"cpus_per_task": options.cpus_per_task}
            return SlurmPipelineExecutor([step], tasks=tasks, workers=options.workers, depends=depends, **logs, **more)
        if options.executor == "ray":
            from datatrove.executor import RayPipelineExecutor

            more = {"cpus_per_task": options.cpus_per_task}
            return RayPipelineExecutor([step], tasks=tasks, workers=options.workers, depends=depends, **logs, **more)
        from datatrove.executor import LocalPipelineExecutor

        return LocalPipelineExecutor([step], tasks=tasks, workers=options.workers, depends=depends, **logs)

    shards = executor(GenerateStories(arguments), "shards", options.tasks)
    executor(GenerateStories(arguments, merge=options.tasks), "merge", 1, depends=shards).run()


if __name__ == "__main__":
    main()
