"""What stands between a command and its reader: streams that are closed or cannot show a character, and libraries that talk.

Call `prepare` before the libraries are imported: they read their settings once.
"""

from __future__ import annotations

import codecs
import logging
import os
import select
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIBRARIES = {"transformers": "TRANSFORMERS", "datasets": "DATASETS", "huggingface_hub": "HF_HUB"}
"""Loggers of libraries; before `_VERBOSITY`, the variables that they take a level from when they are first imported."""
QUIET = {f"{name}_VERBOSITY": "error" for name in LIBRARIES.values()}
QUIET |= {"TORCH_CPP_LOG_LEVEL": "ERROR", "TQDM_DELAY": "1"}  # seconds: what is done sooner needs no bar
"""What libraries are asked for, unless the user says otherwise."""
BARS = {
    "transformers.utils.logging": "disable_progress_bar",
    "huggingface_hub.utils": "disable_progress_bars",
    "datasets": "disable_progress_bars",
}
"""How each library is asked for no bars once it is imported."""
PLAIN = {"─": "-", "–": "-", "·": "-", "…": "...", "→": "->", "±": "+-", "×": "x", "✓": "ok", "✗": "wrong"}
PLAIN |= dict.fromkeys("“”„", '"') | dict.fromkeys("‘’", "'")
"""What an ASCII terminal shows for characters that it lacks; others become a question mark."""
codecs.register_error(
    "silly_llm.plain",
    lambda error: ("".join(PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end),  # type: ignore[attr-defined]
)


def prepare(*, debug: bool) -> None:
    """Make the streams fit for any text, bars fit for the terminal and, unless `debug`, the libraries quiet."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the parent process (`>&-`)
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for good
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace" if mode == "r" else "silly_llm.plain")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")  # phases print plain lines instead
        for module in BARS if os.environ["TQDM_DISABLE"] == "1" else ():
            if module in sys.modules:  # as a module of ours runs, they are imported already
                getattr(sys.modules[module], BARS[module])()
    elif os.get_terminal_size(sys.stderr.fileno()).columns == 0:  # as some consoles and loggers say
        os.environ.setdefault("TQDM_NCOLS", "80")
        os.environ.setdefault("TQDM_NROWS", "24")
    if debug:
        return
    for logger, name in LIBRARIES.items():
        if f"{name}_VERBOSITY" not in os.environ:  # as a module of ours runs, they are imported already
            logging.getLogger(logger).setLevel(logging.ERROR)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger("transformers.modeling_utils").setLevel(logging.WARNING)  # says which weights a model lacked
    if logging.lastResort:  # libraries without a handler of their own
        logging.lastResort.setLevel(logging.ERROR)


@contextmanager
def until_nobody_reads() -> Iterator[None]:
    """`silly-llm … | head`: end silently when the reader has left, with 141, the code of a program that SIGPIPE ends."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not leave_dead_streams():
            raise
        raise SystemExit(141) from None


def leave_dead_streams() -> bool:
    """Where the terminal or the reader of a pipe is gone, what is printed goes nowhere from now on; whether there was such a one."""
    dead = []
    for stream in (1, 2):
        poll = select.poll()
        poll.register(stream, 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)
            dead.append(stream)
    return bool(dead)


def is_main_process() -> bool:
    """Whether this process speaks for all of a distributed run; known before there is a process group."""
    return int(os.environ.get("RANK", "0")) == 0
