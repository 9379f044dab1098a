"""Eight shards run by datatrove on this machine equal one process."""

import os
import subprocess
import sys

import pytest
from folders import contents
from locations import ROOT

pytest.importorskip("datatrove")


@pytest.mark.slow
def test_eight_shards_by_datatrove_equal_one_run(tmp_path, silly_llm):
    words = tmp_path / "vocabulary.json"  # so few that stories repeat: copies are found across shards
    words.write_text('{"nouns": ["dog", "ball"], "verbs": ["run", "play"], "adjectives": ["red", "big"]}')
    alike = "[duplicates, {type: near_duplicates, threshold: 0.4}]"
    options = ["--num_stories", 400, "--vocabulary", words, "--filters", alike]
    assert silly_llm("generate", *options, "--output_dir", tmp_path / "whole").returncode == 0
    command = [sys.executable, ROOT / "scripts" / "datatrove_generation.py", "--tasks", 8, "--workers", 2]
    command += ["--logging_dir", tmp_path / "logs", *options, "--output_dir", tmp_path / "shards"]
    options = {"cwd": ROOT, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "timeout": 300}
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert contents(tmp_path / "shards") == contents(tmp_path / "whole")
    assert any(name.startswith("rejected") for name in contents(tmp_path / "whole"))
