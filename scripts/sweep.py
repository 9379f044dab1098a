"""The same as `silly-llm sweep`, for `python scripts/sweep.py --config RECIPE`."""

from silly_llm.commands.sweep.command import main
from silly_llm.core.launch import run_main

if __name__ == "__main__":
    run_main(main)
