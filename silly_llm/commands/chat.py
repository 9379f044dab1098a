"""`silly-llm chat MODEL`: talk to a model. A tuned one answers, a base model continues what is typed."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from silly_llm.core.errors import RecipeError, first_line
from silly_llm.core.launch import Parser, run_main
from silly_llm.core.lookup import find_model

HINT_TUNED = "Ask for a story. For instance:  Words: dog, jump, happy"
HINT_BASE = "Begin a story, and the model goes on. For instance:  Once upon a time, there was a little"


def parser() -> Parser:
    """The command line of `silly-llm chat`."""
    made = Parser(prog="silly-llm chat", description="Talk to a model.")
    made.add_argument("model", metavar="MODEL", help="a model folder or Hub id")
    made.add_argument("--prompt", help="answer this once and leave")
    made.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token (default 0.8)")
    made.add_argument("--top_p", type=float, default=0.95, help="nucleus sampling; 1 is off (default 0.95)")
    made.add_argument("--max_new_tokens", type=int, default=512, help="longest answer in tokens (default 512)")
    made.add_argument("--seed", type=int, help="the same seed and words give the same story")
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return made


def main(argv: list[str] | None = None) -> None:
    """Load the model; answer `--prompt`, or every line that is typed until the input ends."""
    args = parser().parse_args(argv)
    if args.temperature < 0 or args.max_new_tokens < 1 or not 0 < args.top_p <= 1:
        raise RecipeError("chat: temperature must be 0 or more, max_new_tokens 1 or more, top_p above 0 and at most 1")
    model, tokenizer = load(args.model)
    if args.seed is not None:
        import torch

        torch.manual_seed(args.seed)
    if args.prompt is not None:
        answer(model, tokenizer, args.prompt, args)
        return
    hint = HINT_TUNED if tokenizer.chat_template else HINT_BASE
    print(f"{args.model} is listening. {hint}\n(An empty line or Ctrl-D ends the chat, Ctrl-C a story.)\n")
    while prompt := read_line():
        try:
            answer(model, tokenizer, prompt, args)
        except KeyboardInterrupt:
            print(" …")
        except RecipeError as error:
            print(error)
        print()
    print("Bye!")


def read_line() -> str:
    """The next line that was typed; empty when the talk is over."""
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):
        print()
        return ""


def load(name: str) -> tuple[Any, Any]:
    """The model and the tokenizer of a model folder or Hub id.

    Raises:
        RecipeError: there is no such folder or repository, or no language model in it.
    """
    name = find_model(name)
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(name, dtype="auto").eval(), AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise RecipeError(f"{name}: no such folder, and no model of the Hub can be loaded ({reason})") from error


def answer(model: Any, tokenizer: Any, prompt: str, args: Namespace) -> None:
    """Print what the model says (a base model: the prompt and what follows) while it is made.

    Raises:
        RecipeError: the prompt alone fills the model's context.
    """
    from transformers import TextStreamer

    tuned = bool(tokenizer.chat_template)
    if tuned:
        messages = [{"role": "user", "content": prompt}]
        inputs = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
    else:
        inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
    length = inputs["input_ids"].shape[1]
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2048
    if length >= positions:
        raise RecipeError(f"that is {length} tokens, more than the model can take in ({positions}); say less")
    sampling = {"temperature": args.temperature, "top_p": args.top_p, "top_k": 0} if args.temperature else {}
    model.generate(
        **inputs.to(model.device),
        **sampling,
        do_sample=bool(sampling),
        max_new_tokens=min(args.max_new_tokens, positions - length),
        max_length=None,
        streamer=TextStreamer(tokenizer, skip_prompt=tuned, skip_special_tokens=True),
        pad_token_id=tokenizer.pad_token_id or 0,
    )


if __name__ == "__main__":
    run_main(main)
