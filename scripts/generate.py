"""The same as `silly-llm generate`, for `python scripts/generate.py --config RECIPE`."""

from silly_llm.core.launch import run_main
from silly_llm.data.generation.generate import main

if __name__ == "__main__":
    run_main(main)
