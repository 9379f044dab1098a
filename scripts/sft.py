"""Launcher of phase 4: `accelerate launch --config_file accelerate_configs/X.yaml scripts/sft.py --config RECIPE`."""

from silly_llm.core.launch import run_main
from silly_llm.training.sft import main

if __name__ == "__main__":
    run_main(main)
