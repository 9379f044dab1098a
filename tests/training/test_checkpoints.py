"""A training that signals, damage and half-written checkpoints happen to ends as an undisturbed one, or says in a line why not."""

import json
import os
import pickle
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from journals import kill
from tiny_runs import arguments as tiny
from tiny_runs import facts, log_of, same_weights

from silly_llm import cli
from silly_llm.core.errors import RunError
from silly_llm.training import checkpoints
from silly_llm.training.callbacks.log import Clock
from silly_llm.training.callbacks.progress import Progress
from silly_llm.training.checkpoints import DIGESTS, UNFINISHED, checkpoints_in, fault_of, last_checkpoint

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "config.json")


def arguments(stories: Path, folder: Path, **more: object) -> list[str]:
    values = {"tokens_per_step": 128, "save_steps": 3, "save_total_limit": "null", "logging_steps": 1}
    return tiny(stories, folder, **values | more)


def command(stories: Path, folder: Path, **more: object) -> int:
    """The exit code of `silly-llm pretrain`, in this process."""
    try:
        cli.main(["pretrain", *arguments(stories, folder, **more)])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@contextmanager
def signals(*numbers: int, at: int) -> Iterator[None]:
    """In here a training gets these signals in its step after `at`."""

    def on_step_begin(self, args, state, control, **_):
        if state.global_step == at:
            for number in numbers:
                signal.raise_signal(number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Progress, "on_step_begin", on_step_begin)
        yield


def same_as(folder: Path, whole: Path) -> bool:
    logs = [[line["step"] for line in log_of(f, "step")] for f in (folder, whole)]
    return same_weights(folder, whole) and logs[0] == logs[1]


@pytest.fixture(scope="module")
def whole(stories, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "model"
    assert command(stories, folder) == 0
    return folder


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGHUP", "SIGINT"])
def test_a_signal_ends_with_a_checkpoint_and_the_same_command_continues(stories, whole, tmp_path, capsys, name):
    folder, number = tmp_path / "model", getattr(signal, name)
    before = signal.getsignal(number)
    with signals(number, at=4):
        assert command(stories, folder) == 128 + number
    assert signal.getsignal(number) == before
    by = "" if name == "SIGINT" else f" by {name}"
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("silly-llm:")]
    assert line == f"silly-llm: stopped{by} after step 5; the same command continues from {folder / 'checkpoint-5'}"
    assert fault_of(folder / "checkpoint-5") is None and not (folder / "provenance.json").exists()
    assert command(stories, folder) == 0
    assert "step 5 ·" not in capsys.readouterr().out and same_as(folder, whole)


@pytest.mark.slow
def test_a_process_that_is_told_to_end_saves_and_continues(stories, whole, tmp_path):
    folder = tmp_path / "model"
    saved = folder / "checkpoint-3" / "trainer_state.json"
    code, said = kill("pretrain", *arguments(stories, folder), when=saved.is_file, by=signal.SIGTERM)
    assert code == 143 and f"the same command continues from {last_checkpoint(folder)}" in said
    assert command(stories, folder) == 0 and same_as(folder, whole)


@pytest.mark.parametrize(
    ("at", "left"), [(0, "starts over, since no checkpoint was saved"), (4, "continues from {}/checkpoint-3")]
)
def test_a_second_ctrl_c_stops_at_once_and_the_line_says_what_is_there(stories, tmp_path, capsys, at, left):
    with signals(signal.SIGINT, signal.SIGINT, at=at):
        assert command(stories, tmp_path) == 130
    assert f"silly-llm: stopped; the same command {left.format(tmp_path)}" in capsys.readouterr().err


def test_without_checkpoints_the_line_does_not_promise_any(stories, tmp_path, capsys):
    with signals(signal.SIGTERM, at=0):
        assert command(stories, tmp_path / "model", save_strategy="no") == 128 + signal.SIGTERM
    said = capsys.readouterr().err
    assert "after step 1, which was not saved; the same command starts over, since no checkpoint was saved" in said


def test_what_a_shell_made_a_process_deaf_to_it_stays_deaf_to(stories, tmp_path):
    """`nohup silly-llm … &`"""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals(signal.SIGHUP, at=0):
            assert command(stories, tmp_path / "model", max_steps=2, save_strategy="no") == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_time_limit_holds_for_all_attempts(stories, tmp_path, monkeypatch):
    """The clock of the first attempt goes on; it had been put aside for one without a limit."""
    limit = {"max_minutes": 0.1, "max_steps": 100_000, "save_steps": 100_000, "logging_steps": 100}
    folder = tmp_path / "model"
    with signals(signal.SIGTERM, at=2):
        assert command(stories, folder, **limit) == 143
    (kept,) = checkpoints_in(folder)
    state = json.loads((kept / "trainer_state.json").read_text())
    spent = state["stateful_callbacks"]["Clock"]["attributes"]["before"]
    begun: list[float] = []
    on_train_begin = Clock.on_train_begin

    def begin(self, *args, **kwargs):
        on_train_begin(self, *args, **kwargs)
        begun.append(self.elapsed)

    monkeypatch.setattr(Clock, "on_train_begin", begin)
    assert command(stories, folder, **limit) == 0
    assert begun == [spent]
    assert facts(folder)["steps"] < 100_000 and facts(folder)["training_seconds"] >= 5.9


def cut(path: Path, to: float = 0.5) -> None:
    path.write_bytes(path.read_bytes()[: int(to * path.stat().st_size)])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


empty = partial(cut, to=0)


@pytest.fixture(scope="module")
def stopped(stories, tmp_path_factory) -> Path:
    """A training that was stopped at step 7: checkpoints 3, 6 and 7."""
    folder = tmp_path_factory.mktemp("stopped") / "model"
    with pytest.MonkeyPatch.context() as patch, signals(signal.SIGTERM, at=6):
        patch.chdir(folder.parent)
        assert command(stories, Path("model")) == 143
    return folder


@pytest.fixture
def folder(stopped, tmp_path, monkeypatch) -> Path:
    """A copy of it, under the name that its command knows."""
    shutil.copytree(stopped, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return Path("model")


def test_every_file_of_a_checkpoint_is_sealed(stopped):
    sealed = json.loads((stopped / "checkpoint-7" / DIGESTS).read_text())["sha256"]
    there = {path.name for path in (stopped / "checkpoint-7").iterdir()}
    assert sealed.keys() == there - {DIGESTS} and set(FILES) <= there and UNFINISHED not in there


@pytest.mark.parametrize("damage", [cut, flip, empty, Path.unlink])
def test_damage_to_any_file_is_recognised_and_the_checkpoint_before_is_used(folder, capsys, damage):
    names = sorted(path.name for path in (folder / "checkpoint-7").iterdir())
    for name in names:
        if (name, damage) == (DIGESTS, Path.unlink):
            continue  # as if it had been saved before there were digests
        shutil.copytree(folder / "checkpoint-7", folder / "checkpoint-8")
        damage(folder / "checkpoint-8" / name)
        assert last_checkpoint(folder) == str(folder / "checkpoint-7"), name
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"silly-llm: damaged: checkpoint-8 ({name} ") and "continues from" in line
    assert len(list((folder / ".silly" / "damaged").iterdir())) >= len(names) - 1  # none was deleted
    assert not (folder / "checkpoint-8").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "rng_state.pth"])
def test_a_damaged_training_ends_as_an_undisturbed_one(stories, whole, folder, capsys, name):
    flip(folder / "checkpoint-7" / name)
    assert command(stories, folder) == 0
    said = capsys.readouterr()
    assert f"damaged: checkpoint-7 ({name} is not what was saved)" in said.err
    assert "step 7 ·" in said.out and "step 6 ·" not in said.out and same_as(folder, whole)
    assert (folder / ".silly" / "damaged" / "checkpoint-7" / name).is_file()


def test_when_none_is_whole_one_line_says_so_and_nothing_is_moved(stories, folder, capsys):
    for checkpoint in checkpoints_in(folder):
        cut(checkpoint / "optimizer.pt")
    for _ in range(2):
        assert command(stories, folder) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "every checkpoint is damaged: checkpoint-7 (optimizer.pt is not what was saved), checkpoint-6" in line
        assert "--force" in line
    assert [path.name for path in checkpoints_in(folder)] == ["checkpoint-7", "checkpoint-6", "checkpoint-3"]


class Poison:
    def __reduce__(self):
        return os.system, ("touch poisoned",)


@pytest.mark.parametrize("name", FILES[:5])
def test_checkpoints_from_before_resume_and_what_cannot_be_read_of_them_is_damage(folder, name):
    for checkpoint in checkpoints_in(folder):
        (checkpoint / DIGESTS).unlink()
    assert last_checkpoint(folder) == str(folder / "checkpoint-7")
    cut(folder / "checkpoint-7" / name)
    assert last_checkpoint(folder) == str(folder / "checkpoint-6")
    if name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        shutil.copytree(folder / "checkpoint-6", folder / "checkpoint-7")
        torch.save({"state": Poison()}, folder / "checkpoint-7" / name, pickle_module=pickle)
        assert last_checkpoint(folder) == str(folder / "checkpoint-6") and not Path("poisoned").exists()
    shutil.copytree(folder / "checkpoint-6", folder / "checkpoint-7")
    (folder / "checkpoint-7" / name).unlink()
    assert last_checkpoint(folder) == str(folder / "checkpoint-6")


def test_only_a_torso_of_our_own_is_removed(folder, monkeypatch):
    """One whose removal is interrupted is still one; a folder with nothing in it yet is one too."""
    torso, other = folder / "checkpoint-9", folder / "checkpoint-best"
    (folder / "checkpoint-10").mkdir()
    for place, names in ((torso, (UNFINISHED, "model.safetensors", "a.json", "z.pt")), (other, ("mine.txt",))):
        place.mkdir()
        for name in names:
            (place / name).touch()
    (folder / "checkpoint-6.txt").touch()
    with monkeypatch.context() as patched:
        unlink, times = Path.unlink, iter((0, 0, 1))
        patched.setattr(Path, "unlink", lambda path: 1 / 0 if next(times) else unlink(path))
        with pytest.raises(ZeroDivisionError):
            last_checkpoint(folder)
    assert len(list(torso.iterdir())) == 2
    assert last_checkpoint(folder) == str(folder / "checkpoint-7")
    names = {path.name for path in folder.glob("checkpoint-*")}
    assert names == {"checkpoint-3", "checkpoint-6", "checkpoint-7", "checkpoint-6.txt", "checkpoint-best"}
    assert (other / "mine.txt").exists()
    for checkpoint in checkpoints_in(folder):
        shutil.rmtree(checkpoint)
    (folder / "checkpoint-3").mkdir()  # it died while its first checkpoint began
    assert last_checkpoint(folder) is None


def test_a_checkpoint_goes_when_the_one_after_it_is_sealed(stories, tmp_path, monkeypatch):
    """With a limit of one, and the disk full at the second."""
    folder = tmp_path / "model"

    def full(path, *_):
        if path.parent.name == "checkpoint-6":
            raise OSError(28, "No space left on device")
        return write(path, *_)

    write = checkpoints.write_text
    monkeypatch.setattr(checkpoints, "write_text", full)
    assert command(stories, folder, save_total_limit=1) == 1
    assert fault_of(folder / "checkpoint-3") is None
    monkeypatch.setattr(checkpoints, "write_text", write)
    assert command(stories, folder, save_total_limit=1) == 0
    assert [path.name for path in checkpoints_in(folder)] == ["checkpoint-12"]


def test_a_checkpoint_that_is_named_must_be_whole(folder):
    flip(folder / "checkpoint-7" / "scheduler.pt")
    with pytest.raises(RunError, match=r"checkpoint-7 is damaged: scheduler\.pt is not what was saved"):
        checkpoints.check_checkpoint(folder / "checkpoint-7", None)
