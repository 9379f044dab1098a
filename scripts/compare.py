"""Launcher of the comparison: `python scripts/compare.py runs/a/evaluation runs/b/evaluation`."""

from silly_llm.core.launch import run_main
from silly_llm.evaluation.compare import main

if __name__ == "__main__":
    run_main(main)
