"""`python -m silly_llm.data.vocabulary`."""

from silly_llm.core.launch import run_main
from silly_llm.data.vocabulary.vocabulary import main

if __name__ == "__main__":
    run_main(main)
