"""The Slurm scripts run as they are, with a scripted server in the place of the real one: an array of two tasks, then the merge."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from locations import ROOT

SERVER = f"cd {ROOT / 'tests'}; exec {sys.executable} -m servers.scripted_llm"


@pytest.mark.parametrize(("script", "command"), [("vllm", "vllm"), ("tgi", "text-generation-launcher")])
def test_an_array_of_tasks_makes_a_dataset(tmp_path, silly_llm, script, command):
    path = tmp_path / "bin"
    path.mkdir()
    programs = {
        command: f'while [ "$1" != --port ]; do shift; done; {SERVER} --port "$2" slow_start=1',
        "silly-llm": f'exec {sys.executable} -m silly_llm.cli "$@"',
    }
    for name, line in programs.items():
        (path / name).write_text(f"#!/bin/bash\n{line}\n", encoding="utf-8")
        (path / name).chmod(0o755)
    output, recipe = tmp_path / "stories", "recipes/base/generation.yaml"
    for task in range(2):
        environment = {
            "PATH": f"{path}:{os.environ['PATH']}",
            "SLURM_JOB_ID": str(os.getpid() % 20000 + task),
            "SLURM_ARRAY_TASK_COUNT": "2",
            "SLURM_ARRAY_TASK_ID": str(task),
        }
        arguments = [f"scripts/slurm/generate_with_{script}.sbatch", recipe, str(output), "scripted"]
        done = subprocess.run(
            ["bash", *arguments, "--num_stories", "30", "--filters", "[finish_reason, near_duplicates]"],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert "15 stories" in done.stdout
    provider = ["--provider.type", "openai" if script == "vllm" else "tgi", "--provider.model", "scripted"]
    provider += ["--provider.base_url", "http://127.0.0.1:9/v1"]  # merging asks nobody
    merged = silly_llm(
        *("generate", "--config", recipe, "--output_dir", output, "--num_stories", 30, "--num_shards", 2),
        *("--filters", "[finish_reason, near_duplicates]", *provider),
    )
    assert merged.returncode == 0, merged.stderr
    assert "30 stories" in merged.stdout
