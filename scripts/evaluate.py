"""Launcher of phase 5: `python scripts/evaluate.py --config recipes/quickstart/evaluation.yaml`."""

from silly_llm.core.launch import run_main
from silly_llm.evaluation.evaluate import main

if __name__ == "__main__":
    run_main(main)
