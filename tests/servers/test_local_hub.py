"""The real clients of Hugging Face work against the stand-in, so a test that publishes to it says something.

Models are pushed and loaded in tests/test_hub.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers.local_hub import LocalHub

CHECKS = Path(__file__).with_name("client_checks.py")
OPTIONS = {"many_files": {"tree_page_size": 50}, "multipart_lfs": {"lfs_multipart_chunk": 1 << 20}}


@pytest.mark.parametrize(
    "name",
    [
        "account_and_repos",
        "files_and_revisions",
        "multipart_lfs",
        "many_files",
        pytest.param("faults", marks=pytest.mark.slow),
        "cards",
        "byte_ranges",
        "datasets_round_trip",
    ],
)
def test_real_clients(name, tmp_path):
    with LocalHub(tmp_path / "hub", **OPTIONS.get(name, {})) as hub:
        (tmp_path / "hf").mkdir()
        done = client(hub, tmp_path / "hf", str(CHECKS), name)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def test_repositories_survive_a_restart(tmp_path):
    create = "a.create_repo('alice/kept'); a.upload_file(path_or_fileobj=b'x' * 999, path_in_repo='k.bin', repo_id='alice/kept')"
    look = "assert a.model_info('alice/kept', files_metadata=True).siblings[1].size == 999"
    for code in (create, look):
        with LocalHub(tmp_path / "hub") as hub:
            done = client(hub, tmp_path / "hf", "-c", f"from huggingface_hub import HfApi; a = HfApi(); {code}")
            assert done.returncode == 0, done.stderr[-3000:]


def client(hub: LocalHub, home: Path, *command: str):
    environment = {**os.environ, **hub.env(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
