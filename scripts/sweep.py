"""Launcher of sweeps: `python scripts/sweep.py --config recipes/tinystories/sweep.yaml`."""

from silly_llm.cli import run_main
from silly_llm.sweep.command import main

if __name__ == "__main__":
    run_main(main)
