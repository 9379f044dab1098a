"""`python -m silly_llm.data.instructions`."""

from silly_llm.core.launch import run_main
from silly_llm.data.instructions.instruct import main

if __name__ == "__main__":
    run_main(main)
