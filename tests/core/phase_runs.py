"""Runs of a phase that does nothing but write files, for tests of output folders."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from silly_llm.core.config import load_recipe
from silly_llm.core.folders.output import PRIVATE, open_output


@dataclass
class Arguments:
    num_stories: int = 3
    seed: int = 0
    max_steps: int = -1
    max_minutes: float | None = None
    logging_steps: int = 10
    dataset: str = ""
    features: dict | None = None
    provider: str | dict = "storyteller"
    push_to_hub: bool = False
    hub_dataset_id: str | None = None
    license: str | None = None
    output_dir: str = ""


def recipe(folder, *argv: object, phase: str = "generate"):
    return load_recipe(["--output_dir", str(folder), *map(str, argv)], phase=phase, arguments=Arguments)


def make(folder: Path, *argv: object, phase: str = "generate", inputs=(), dies: bool = False, **files: str) -> str:
    """One run of a phase that writes `files`, and `dies` then; says whether it was `skipped`, `continued` or `made`."""
    with suppress(ZeroDivisionError), open_output(recipe(folder, *argv, phase=phase), inputs) as out:
        if out.up_to_date:
            return "skipped"
        write(folder, **files)
        if dies:
            raise ZeroDivisionError
    return "continued" if out.resumed else "made"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


SHARD = "data/train-00000-of-00001.parquet"
STORIES = {SHARD.replace("/", "__"): "rows", "README.md": "card", "statistics.json": "{}"}
MODEL = {"model.safetensors": "weights", "config.json": "{}", "README.md": "card"}
CHECKPOINT = {"checkpoint-3__trainer_state.json": "{}", "checkpoint-3__optimizer.pt": "state"}
JOURNAL = {"journal.sqlite": "paid\n"}


def snapshot(folder: Path) -> dict[str, bytes]:
    """Everything in a folder beside our private one."""
    files = (p for p in folder.rglob("*") if p.is_file() and PRIVATE not in p.parts)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def thesis(folder: Path) -> dict[str, bytes]:
    """What people keep beside our output, some of it under names that look like ours."""
    names = [".git/HEAD", "thesis.tex", "code/main.py", "notes.txt", "gguf/m.gguf", "data/mine.parquet.bak"]
    names += ["checkpoint-best/model.safetensors", "old/model.safetensors", "journal.tex", "partial/a.json"]
    write(folder, **{name: name for name in names})
    return {name: name.encode() for name in names}
