"""The Slurm scripts run as they are, with a scripted server in the place of the real one."""

import os
import subprocess
import sys

import pytest
from locations import ROOT

SERVER = f"cd {ROOT / 'tests'}; exec {sys.executable} -m servers.scripted_llm"


@pytest.mark.parametrize(("script", "command"), [("vllm", "vllm"), ("tgi", "text-generation-launcher")])
def test_a_task_of_an_array_makes_its_shard(tmp_path, script, command):
    programs = {
        command: f'while [ "$1" != --port ]; do shift; done; {SERVER} --port "$2" slow_start=1',
        "silly-llm": f'exec {sys.executable} -m silly_llm.cli "$@"',
    }
    for name, line in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{line}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    array = {"SLURM_JOB_ID": str(os.getpid() % 20000), "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_ID": "1"}
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", **array}
    arguments = [f"scripts/slurm/generate_with_{script}.sbatch", "recipes/base/generation.yaml", tmp_path / "stories"]
    arguments += ["scripted", "--num_stories", "30", "--filters", "[finish_reason]"]
    options = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True, "timeout": 120}
    done = subprocess.run(["bash", *map(str, arguments)], **options)
    assert done.returncode == 0, done.stderr
    assert "15 stories" in done.stdout
