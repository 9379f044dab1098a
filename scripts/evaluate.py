"""The same as `silly-llm evaluate`, for `python scripts/evaluate.py --config RECIPE`."""

from silly_llm.core.launch import run_main
from silly_llm.evaluation.evaluate import main

if __name__ == "__main__":
    run_main(main)
