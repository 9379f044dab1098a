"""The same as `silly-llm compare`, for `python scripts/compare.py FOLDER FOLDER`."""

from silly_llm.core.launch import run_main
from silly_llm.evaluation.compare import main

if __name__ == "__main__":
    run_main(main)
