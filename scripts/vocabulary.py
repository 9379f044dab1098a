"""Launcher: the same as `silly-llm vocabulary`, for `python scripts/vocabulary.py --config RECIPE`."""

from silly_llm.cli import run_main
from silly_llm.data.vocabulary import main

if __name__ == "__main__":
    run_main(main)
