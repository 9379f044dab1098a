"""The same as `silly-llm sft`, for `accelerate launch scripts/sft.py --config RECIPE`."""

from silly_llm.core.launch import run_main
from silly_llm.training.sft import main

if __name__ == "__main__":
    run_main(main)
