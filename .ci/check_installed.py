"""Use an installed Silly LLM as its README says, from a folder that holds nothing, and type every line that it prints to be typed.

Usage: check_installed.py PYTHON FOLDER [--without-torch]
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

python, folder = Path(sys.argv[1]), Path(sys.argv[2])
torch = "--without-torch" not in sys.argv
SMALL = {
    "chat": "--prompt 'Words: dog' --max_new_tokens 8",
    "pretrain": "--model silly-tiny --tokenizer.vocab_size 512 --max_tokens 20000 --max_length 128 --output_dir",
    "generate": "--num_stories 300 --validation_fraction 0.1 --output_dir",
    "sft": "--max_steps 2 --output_dir",
    "evaluate": "--num_documents 4 --num_stories 2 --max_new_tokens 8 --num_samples 1 --output_dir",
}
"""What makes a printed command small enough for here."""
ours = Path(python).parent
environment = {**os.environ, "PATH": f"{ours}{os.pathsep}{os.environ['PATH']}", "PYTHONSAFEPATH": "1"}
passed = 0


def run(command: str, *, code: int = 0, within: Path = folder, **more: str) -> str:
    """Type a line into a shell; what it printed."""
    global passed
    done = subprocess.run(
        ["bash", "-c", command], cwd=within, env={**environment, **more}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, (command, done.returncode, done.stdout[-1500:], done.stderr[-3000:])
    assert "Traceback" not in done.stderr, (command, done.stderr)
    noise = re.search(r"Warning|\[transformers\]|WARNING", done.stderr)
    assert noise is None, (command, done.stderr)
    passed += 1
    return done.stdout


def printed_commands(text: str) -> list[str]:
    """The lines that are there to be typed."""
    return re.findall(r"^(?:next|try it|Talk to it|Chat): +(.+)$", text, re.M)


def type_all(text: str, seen: set[str], within: Path = folder, **more: str) -> None:
    """Type every command that was printed, and those that it prints in turn."""
    for command in printed_commands(text):
        words = shlex.split(command)
        phase = words[1]
        if (phase, *words[2:]) in seen or (not torch and phase not in ("generate", "recipes")):
            continue
        seen.add((phase, *words[2:]))
        small = SMALL[phase]
        if small.endswith("--output_dir"):
            small += f" {shlex.quote(f'typed/{len(seen)}')}"
        type_all(run(f"{command} {small}", within=within, **more), seen, within, **more)


assert "To start: silly-llm run quickstart\n" in run("silly-llm --help")
listed = run("silly-llm recipes")
assert re.search(r"^quickstart ", listed, re.M), listed
if torch:
    run("silly-llm recipes --check")

# The quickstart, and what it says to do next
last = "" if torch else " --to generate"
tokens = " --pretrain.max_tokens 20000" if torch else ""
told = run(f"silly-llm run quickstart --environment smoke{last}{tokens}")
assert (folder / "runs" / "quickstart-smoke").is_dir()
assert printed_commands(told), told
seen: set[str] = set()
type_all(told, seen)

# Phase by phase, without a recipe and out of the path, in a folder whose name a shell would take apart
odd = folder / "it's a [new] folder"
odd.mkdir()
told = run(
    f"{shlex.quote(str(ours / 'silly-llm'))} generate --num_stories 300 --output_dir 'my stories'",
    within=odd,
    PATH=os.environ["PATH"],
)
type_all(told, seen, odd, PATH=os.environ["PATH"])

# A copy to change
copied = run("silly-llm recipes --copy quickstart 'my own'")
assert printed_commands(copied) == ["silly-llm run 'my own/quickstart'"], copied
run("silly-llm recipes --copy quickstart 'my own'", code=2)
run(
    f"silly-llm run 'my own/quickstart' --environment smoke --output_root copy --to {'pretrain' if torch else 'generate'}{tokens}"
)
run("silly-llm recipes --copy tiny-recipes 'my own'")
run("silly-llm generate --config 'my own/tiny-recipes/generation.yaml' --preview 1 --dry_run")
run("silly-llm recipes --copy accelerate_configs .")
if torch:
    run(
        f"{shlex.quote(str(python))} -m accelerate.commands.launch --config_file accelerate_configs/cpu.yaml -m silly_llm.training.pretrain "
        "--config quickstart/pretrain.yaml --environment smoke --max_tokens 20000 --output_dir launched"
    )

# Readers that leave, terminals that are narrow or know no more than ASCII
run("silly-llm --help | head -1")
assert run("silly-llm recipes", PYTHONIOENCODING="ascii").isascii()
print(f"{passed} passed, 0 failed")
