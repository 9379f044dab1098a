"""Launcher of phase 3: `python scripts/instruct.py --config recipes/quickstart/instructions.yaml`."""

from silly_llm.core.launch import run_main
from silly_llm.data.instructions.instruct import main

if __name__ == "__main__":
    run_main(main)
