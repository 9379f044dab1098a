"""Eight shards run by datatrove on this machine equal one process."""

import os
import subprocess
import sys

import pytest
from locations import ROOT
from test_generation import contents

pytest.importorskip("datatrove")


@pytest.mark.slow
def test_eight_shards_by_datatrove_equal_one_run(tmp_path, silly_llm):
    alike = (
        "[duplicates, {type: near_duplicates, threshold: 0.4}]"  # so low that stories of different shards are alike
    )
    options = ["--num_stories", 400, "--vocabulary", vocabulary(tmp_path), "--filters", alike]
    assert silly_llm("generate", *options, "--output_dir", tmp_path / "whole").returncode == 0
    command = [sys.executable, ROOT / "scripts" / "datatrove_generation.py", "--tasks", 8, "--workers", 2]
    command += ["--logging_dir", tmp_path / "logs", *options, "--output_dir", tmp_path / "shards"]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert contents(tmp_path / "shards") == contents(tmp_path / "whole")
    assert any(name.startswith("rejected") for name in contents(tmp_path / "whole"))


def vocabulary(folder) -> str:
    """So few words that stories repeat: copies are found across shards."""
    file = folder / "vocabulary.json"
    file.write_text('{"nouns": ["dog", "ball"], "verbs": ["run", "play"], "adjectives": ["red", "big"]}')
    return str(file)
