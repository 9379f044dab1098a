"""The same as `silly-llm vocabulary`, for `python scripts/vocabulary.py --config RECIPE`."""

from silly_llm.core.launch import run_main
from silly_llm.data.vocabulary.vocabulary import main

if __name__ == "__main__":
    run_main(main)
