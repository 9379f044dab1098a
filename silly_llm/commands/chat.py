"""`silly-llm chat MODEL`: talk to a model. A tuned model answers, a base model continues the text."""

from __future__ import annotations

import math
import random
import sys
from typing import TYPE_CHECKING

from silly_llm.core.errors import RecipeError, first_line
from silly_llm.core.launch import Parser, run_main
from silly_llm.core.lookup import find_model
from silly_llm.core.sampling import SamplingParams, encode, positions_of, sample_text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HINT_TUNED = "Ask for a story, for example:  Words: dog, jump, happy"
HINT_BASE = "Begin a story and the model continues it, for example:  Once upon a time, there was a little"


def parser() -> Parser:
    """The argument parser of `silly-llm chat`."""
    made = Parser(prog="silly-llm chat", description="Talk to a model.")
    made.add_argument("model", metavar="MODEL", help="a model folder or Hub id")
    made.add_argument("--prompt", help="answer this prompt and exit")
    made.add_argument(
        "--temperature", type=float, default=0.8, help="0 always takes the likeliest token (default 0.8)"
    )
    made.add_argument("--top_p", type=float, default=0.95, help="nucleus sampling; 1 disables it (default 0.95)")
    made.add_argument(
        "--max_new_tokens", type=int, default=512, help="maximum length of an answer in tokens (default 512)"
    )
    made.add_argument("--seed", type=int, help="the same seed and prompt give the same story")
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return made


def main(argv: list[str] | None = None) -> None:
    """Load the model; answer `--prompt`, or every line typed until the input ends."""
    args = parser().parse_args(argv)
    if not 0 <= args.temperature < math.inf or args.max_new_tokens < 1 or not 0 < args.top_p <= 1:
        raise RecipeError("chat: temperature must be 0 or more, max_new_tokens 1 or more, top_p above 0 and at most 1")
    talker = Talker.load(args.model, args.temperature, args.top_p, args.max_new_tokens, args.seed)
    if args.prompt is not None:
        talker.tell(args.prompt)
        return
    print(
        f"{args.model} is listening. {talker.hint}\n(An empty line or Ctrl-D ends the chat, Ctrl-C stops a story.)\n"
    )
    while (prompt := read_line()) is not None:
        try:
            talker.tell(prompt)
        except KeyboardInterrupt:
            print(" …")
        except RecipeError as error:
            print(error)
        print()
    print("Bye!")


def read_line() -> str | None:
    """The next line typed, or None at the end of the chat."""
    try:
        return input("> " if sys.stdin.isatty() else "").strip() or None
    except (EOFError, KeyboardInterrupt):
        print()
        return None


class Talker:
    """A model that streams its stories to the terminal."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        temperature: float,
        top_p: float,
        max_new_tokens: int,
        seed: int | None = None,
    ) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.sampling = max_new_tokens, temperature, top_p
        self.seeds = random.Random(seed)
        self.tuned = bool(tokenizer.chat_template)
        self.hint = HINT_TUNED if self.tuned else HINT_BASE

    @classmethod
    def load(cls, name: str, temperature: float, top_p: float, max_new_tokens: int, seed: int | None = None) -> Talker:
        """Load a model folder or Hub id.

        Raises:
                RecipeError: there is no such folder or repository, or it contains no language model.
        """
        name = find_model(name)
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(name)
            model = AutoModelForCausalLM.from_pretrained(name, dtype="auto")
        except (OSError, ValueError) as error:
            reason = first_line(error)
            raise RecipeError(f"{name}: no such folder, and it cannot be loaded from the Hub ({reason})") from error
        return cls(model, tokenizer, temperature, top_p, max_new_tokens, seed)

    def asked(self, prompt: str) -> str | list[dict[str, str]]:
        """The model input: a message to answer, or a text to continue."""
        return [{"role": "user", "content": prompt}] if self.tuned else prompt

    def tell(self, prompt: str) -> None:
        """Print the answer (for a base model: the prompt and its continuation) as it is generated.

        Raises:
            RecipeError: the prompt alone fills the model's context.
        """
        from transformers import TextStreamer

        asked, positions = self.asked(prompt), positions_of(self.model)
        length = len(encode(self.tokenizer, asked))
        if length >= positions:
            raise RecipeError(
                f"the prompt has {length} tokens, more than the model's context ({positions}); shorten it"
            )
        streamer = TextStreamer(self.tokenizer, skip_prompt=self.tuned, skip_special_tokens=True)
        params = SamplingParams(self.seeds.getrandbits(32), *self.sampling)
        sample_text(self.model, self.tokenizer, asked, params, streamer=streamer)


if __name__ == "__main__":
    run_main(main)
