"""The same as `silly-llm instruct`, for `python scripts/instruct.py --config RECIPE`."""

from silly_llm.core.launch import run_main
from silly_llm.data.instructions.instruct import main

if __name__ == "__main__":
    run_main(main)
