"""Launcher of phase 3: `python scripts/instruct.py --config recipes/quickstart/instructions.yaml`."""

from silly_llm.cli import run_main
from silly_llm.data.instructions import main

if __name__ == "__main__":
    run_main(main)
