"""What ends a run other than a training: each signal does what Ctrl-C does, in one line, with its own exit code."""

import asyncio
import os
import signal
import time
from types import SimpleNamespace

import pytest

from silly_llm import cli
from silly_llm.core.console.signals import SIGNALS
from silly_llm.core.console.streams import leave_dead_streams
from silly_llm.core.launch import run_main

NAMES = [number.name for number in SIGNALS]


def exit_code(main) -> int:
    with pytest.raises(SystemExit) as stop:
        run_main(main, [])
    return stop.value.code


@pytest.mark.parametrize("name", NAMES)
def test_requests_in_flight_end_before_the_run_does(capsys, name):
    number, kept = getattr(signal, name), []
    before = signal.getsignal(number)

    async def ask() -> None:
        try:
            asyncio.get_running_loop().call_later(0.01, signal.raise_signal, number)
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.05)  # the grace of requests, as in silly_llm.asking.engine
            kept.append("answer")

    assert exit_code(lambda argv: asyncio.run(ask())) == 128 + number
    assert kept == ["answer"] and signal.getsignal(number) == before
    by = "" if name == "SIGINT" else f" by {name}"
    assert capsys.readouterr().err == f"silly-llm: stopped{by}; the same command continues from there\n"


@pytest.mark.parametrize("name", NAMES)
def test_work_without_requests_is_left_at_once(name):
    number = getattr(signal, name)

    def work(argv):
        signal.raise_signal(number)
        time.sleep(30)

    assert exit_code(work) == 128 + number


def test_ctrl_c_while_a_phase_is_imported_is_one_line(monkeypatch, capsys):
    interrupted = SimpleNamespace(import_module=lambda name: signal.raise_signal(signal.SIGINT))
    monkeypatch.setattr(cli, "importlib", interrupted)
    with pytest.raises(SystemExit, match="130"):
        cli.main(["chat"])
    assert capsys.readouterr().err.startswith("silly-llm: stopped;")


def test_a_line_for_a_reader_that_is_gone_goes_nowhere():
    """In a process of its own, whose output it is."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.dup2(writer, 1)
        os.close(reader)
        os.close(writer)
        leave_dead_streams()
        os.write(1, b"heard")
        time.sleep(0.3)  # until the reader is gone
        leave_dead_streams()
        os.write(1, b"lost")
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 5) == b"heard"
    os.close(reader)
    assert os.waitpid(child, 0)[1] == 0
