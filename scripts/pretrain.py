"""The same as `silly-llm pretrain`, for `accelerate launch scripts/pretrain.py --config RECIPE`."""

from silly_llm.core.launch import run_main
from silly_llm.training.pretrain import main

if __name__ == "__main__":
    run_main(main)
