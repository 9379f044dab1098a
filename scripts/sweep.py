"""Launcher of sweeps: `python scripts/sweep.py --config recipes/tinystories/sweep.yaml`."""

from silly_llm.commands.sweep.command import main
from silly_llm.core.launch import run_main

if __name__ == "__main__":
    run_main(main)
