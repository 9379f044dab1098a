"""What tests share: the folder of extra data where it is there, and commands run as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from locations import ROOT, SHARED

from silly_llm.core.console.streams import QUIET

# Offline and quiet, for this process and the ones tests start: nothing here may need the Hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("PYTHONWARNINGS", "ignore")


# A runner in the background may have been made deaf to these, and tests send them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def forgets_secrets():
    """What one test's recipe held is no secret in the next."""
    from silly_llm.core import masking

    before = set(masking._remembered), set(masking._declared)
    yield
    for kept, was in zip((masking._remembered, masking._declared), before, strict=True):
        kept.intersection_update(was)


ASKED = (*QUIET, "TQDM_DISABLE", "TQDM_NCOLS", "TQDM_NROWS")
BEFORE = {name: os.environ.get(name) for name in ASKED}


@pytest.fixture(autouse=True)
def talks_as_before():
    """What a command in this process asked libraries for (in a fixture of a module too) is not asked for in a test after it."""
    for name, value in BEFORE.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real TinyStories text and models; tests that want it are skipped elsewhere."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (real TinyStories text and models), which is not here")
    return SHARED


@pytest.fixture(scope="session")
def tinystories(shared) -> list[str]:
    """Real stories: the validation texts."""
    lines = (shared / "data" / "tinystories" / "validation.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture
def silly_llm():
    """Run `silly-llm ARGUMENTS…` in a process of its own; gives the finished process with its text output."""

    def run(*arguments: object, cwd: Path = ROOT, timeout: float = 300, **environment: str):
        return subprocess.run(
            [sys.executable, "-m", "silly_llm.cli", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
