"""What README and docs tell people to type is typed here: the commands, and the examples of the plugin page."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from locations import ROOT
from servers.scripted_llm import ScriptedLLM

from silly_llm.cli import TOOLS
from silly_llm.core.phases import PHASES

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / "recipes").rglob("*.md")])
BIN = str(Path(sys.executable).parent)
WORDS = "silly_llm/text/words.json"
# What a test cannot do here, and what is checked of it instead.
NEEDS_GPU_OR_HUB = re.compile(
    r"accelerate_configs/(single_gpu|ddp|fsdp|zero|multi_node)|recipes/tinystories|--environment (hub|tgi|llm)|NAME|someone/model"
)


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """(language, title, text) of each fenced block of a page."""
    found = re.findall(r"^```(\w*)(?: title=(\S+))?\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [(language, title, text) for language, title, text in found]


def commands(page: Path) -> list[str]:
    """The commands of a page's bash blocks, continued lines joined, comments and variables' values removed."""
    text = "\n".join(text for language, _, text in blocks(page) if language == "bash").replace("\\\n", " ")
    lines = [re.sub(r"\s+#.*", "", line).strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_every_promise_names_a_test_that_is_there():
    file, named = None, 0
    for cell in re.findall(r"\| ([^|]*) \|$", (ROOT / "docs" / "promises.md").read_text(), re.M):
        for path, name in re.findall(r"([\w./]+\.py)?(?:::(\w+))?", cell):
            file = ROOT / path if path else file
            if path:
                assert file.is_file(), cell
            if name:
                assert f"def {name}(" in file.read_text(encoding="utf-8"), (file, name)
                named += 1
    assert named > 100


def test_every_silly_llm_command_in_the_docs_exists_and_its_files_do():
    modules = {phase.runnable for phase in PHASES.values()}
    seen = 0
    for page in PAGES:
        for command in commands(page):
            words = shlex.split(command)
            if "silly-llm" in words:
                name = words[words.index("silly-llm") + 1]
                assert name in PHASES or name in TOOLS or name.startswith("--"), (page, command)
                seen += 1
            if words[:2] == ["python", "-m"] and words[2].startswith("silly_llm."):
                assert words[2] in modules, (page, command)
            for word in words:
                if re.match(r"(recipes|scripts|accelerate_configs|tests)/", word):
                    assert (ROOT / word).exists(), (page, command)
    assert seen > 20


def test_every_make_target_in_the_docs_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {c.split()[1] for page in PAGES for c in commands(page) if c.startswith("make ")}
    assert {"demo", "test"} <= named <= targets


def test_every_link_in_the_docs_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:", "mailto:")):
                assert (page.parent / target).exists(), (page, target)


SMALLER = {
    r"^silly-llm pretrain --dataset": "--max_steps 2",
    r"--model runs/quickstart/pretrain": "--num_documents 10 --num_stories 4 --max_new_tokens 40",
    r"^silly-llm compare": "--allow_different",
}


@pytest.fixture
def type_in(in_process):
    """Type a command of the docs: ours in this process, others into a shell."""

    def run(command: str, cwd: Path) -> None:
        environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        if command.startswith("silly-llm "):
            done = in_process(*shlex.split(command)[1:], cwd=cwd)
        else:
            options = {"env": environment, "capture_output": True, "text": True, "timeout": 400}
            done = subprocess.run(command, shell=True, cwd=cwd, **options)
        assert done.returncode == 0, (command, done.stdout[-1000:], done.stderr[-2000:])

    return run


@pytest.mark.slow
def test_the_commands_of_the_readme_work(quickstart, type_in, monkeypatch):
    """In their order, at the smallest size (SILLY_LLM_ENVIRONMENT=smoke), in a folder where the first of them has run."""
    folder = quickstart[0]
    (folder / "my").mkdir()
    told = [f'{{"text": "Story {i}. A cat had {i} mice, and all of them were happy."}}\n' for i in range(60)]
    (folder / "my" / "stories.jsonl").write_text("".join(told))
    monkeypatch.setenv("SILLY_LLM_ENVIRONMENT", "smoke")
    phases = {phase.runnable: phase.command for phase in PHASES.values()}
    typed = []
    for command in commands(ROOT / "README.md"):
        if command.startswith(("make ", "export ")) or NEEDS_GPU_OR_HUB.search(command) or " publish " in command:
            continue  # make: CI runs them; publish: tests/hub/test_hub.py
        if command.startswith("python -m"):  # tests/test_cli.py: it is the same `main`
            module, rest = command.removeprefix("python -m ").split(" ", 1)
            assert f"silly-llm {phases[module]} {rest}" in typed
            continue
        more = [more for pattern, more in SMALLER.items() if re.search(pattern, command)]
        type_in(" ".join([command, *more]), folder)
        typed.append(command)
    assert {*phases.values(), "run", "compare", "chat", "launch"} <= {command.split()[1] for command in typed}


@pytest.mark.slow
def test_the_examples_of_the_plugin_page_run(tmp_path, type_in, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # to which code of one's own is added
    page = ROOT / "docs" / "architecture" / "plugins.md"
    for _, title, text in blocks(page):
        if title:
            with (tmp_path / title).open("a", encoding="utf-8") as file:
                file.write(text + "\n\n")
    for command in commands(page):
        type_in(command, tmp_path)
    assert '"numbers"' in (tmp_path / "out" / "evaluation" / "results.json").read_text()


def test_the_commands_of_the_teachers_page_work(tmp_path, type_in):
    """What asks a server asks the scripted one, for a few stories; the other commands need a GPU, the Hub or a build."""
    ran = 0
    with ScriptedLLM(tmp_path) as server:
        for number, command in enumerate(commands(ROOT / "docs" / "teachers.md")):
            if not command.startswith("silly-llm generate") or "hf-inference" in command:
                continue
            command = re.sub(r"http://127\.0\.0\.1:\d+", server.url, command).replace("NAME", "scripted")
            command = re.sub(r"--num_stories \d+", "", command)
            type_in(f"{command} --num_stories 20 --output_dir {tmp_path / str(number)} --vocabulary {WORDS}", ROOT)
            ran += 1
    assert ran >= 4
