"""`--preview N`: the exact prompts of the first stories, their answers, and an estimate for the whole run.

The answers go into the journal like all others, so the run that follows does not pay for them again.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, nullcontext
from pathlib import Path

from silly_llm.core.config import Recipe
from silly_llm.core.console.duration import duration
from silly_llm.core.errors import RunError
from silly_llm.data.arguments import GenerationArguments
from silly_llm.data.generation.components import GenerationComponents, request_for
from silly_llm.data.generation.rows import row_of, verdict_on
from silly_llm.data.prompts.base import StoryPrompt
from silly_llm.providers.base import UNCOUNTED, ChatRequest, Completion, LLMProvider, RequestFailed

CHARACTERS_PER_TOKEN = 4.0
"""For English prompts, for estimates without an answer."""


def preview(recipe: Recipe[GenerationArguments], parts: GenerationComponents) -> None:
    """Print prompts, answers (unless `dry_run`) and estimates. Raises `RunError` if the provider cannot answer."""
    args = recipe.args
    prompts = [parts.prompts.prompt(args.seed, index) for index in range(args.preview)]
    requests = [request_for(args, index, 0, prompt) for index, prompt in enumerate(prompts)]
    if args.dry_run:
        for index, prompt in enumerate(prompts):
            show_prompt(index, prompt)
        print(estimate_unasked(args, parts.provider, requests))
        return
    began = time.monotonic()
    answers = asyncio.run(ask(recipe, parts, requests))
    seconds = time.monotonic() - began
    for index, (prompt, request, answer) in enumerate(zip(prompts, requests, answers, strict=True)):
        show_prompt(index, prompt)
        if isinstance(answer, RequestFailed):
            print(f"[failed] {answer.reason}\n")
        else:
            show_answer(index, prompt, request, answer, parts)
    good = [answer for answer in answers if isinstance(answer, Completion)]
    if not good:
        raise RunError(next(answer.reason for answer in answers if isinstance(answer, RequestFailed)))
    print(estimate(args, parts.provider, good, seconds))


async def ask(
    recipe: Recipe[GenerationArguments], parts: GenerationComponents, requests: list[ChatRequest]
) -> list[Completion | RequestFailed]:
    """Answers, kept in the journal of the output folder."""
    from silly_llm.asking.engine import answer_all
    from silly_llm.asking.journal import JOURNAL, Journal
    from silly_llm.core.folders.files import locked
    from silly_llm.core.folders.output import require_room

    folder, free = Path(recipe.args.output_dir), parts.provider.free
    if not free:
        require_room(folder, recipe.phase)
    with nullcontext() if free else locked(folder), nullcontext() if free else Journal(folder / JOURNAL) as journal:
        async with aclosing(parts.provider):
            await parts.provider.prepare()
            tagged = ((None, request) for request in requests)
            return [answer async for _, _, answer in answer_all(tagged, parts.engine(journal))]


def show_prompt(index: int, prompt: StoryPrompt) -> None:
    """Print the exact messages of a request."""
    words = ", ".join(f"{slot} {word!r}" for slot, word in prompt.words.items())
    print(f"--- {index} · {words} · features: {', '.join(prompt.features) or 'none'} · template {prompt.template}")
    for message in prompt.messages:
        print(f"[{message['role']}]\n{message['content']}\n")


def show_answer(
    index: int, prompt: StoryPrompt, request: ChatRequest, answer: Completion, parts: GenerationComponents
) -> None:
    """Print an answer and the verdict of the filters."""
    row = row_of(index, 0, prompt, request, answer, parts)
    reasons = verdict_on(row, answer, parts.filters).reasons
    tokens = f"{answer.prompt_tokens} + {answer.completion_tokens} tokens"
    if (thinking := row["reasoning_tokens"]) is not None:
        tokens += f" ({thinking} of them thinking{', estimated' if row['reasoning_estimated'] else ''})"
    tokens += f", ended by {answer.finish_reason}"
    if row["cleaned_by"]:
        tokens += f", cleaned of {', '.join(row['cleaned_by'])}"
    print(f"[answer: {tokens}; {'rejected by ' + '; '.join(reasons) if reasons else 'kept'}]\n{row['text']}\n")


def estimate(args: GenerationArguments, provider: LLMProvider, answers: list[Completion], seconds: float) -> str:
    """Estimate the whole run from the answers received."""
    count, share = args.num_stories, args.num_stories / len(answers)
    prompt = sum(answer.prompt_tokens for answer in answers) * share
    completion = sum(answer.completion_tokens for answer in answers) * share
    thought = sum(answer.extra.get("reasoning_tokens", 0) for answer in answers) * share
    about = f"about {prompt:,.0f} prompt tokens and {completion:,.0f} completion tokens"
    lines = [f"{count:,} stories like these {len(answers)}: {about if prompt + completion else UNCOUNTED}"]
    if thought:
        lines.append(
            f"thinking: about {thought:,.0f} of the completion tokens (provider: {{thinking: false}} saves them)"
        )
    if provider.prices and prompt + completion:
        for_thinking = f", {provider.prices.cost(0, thought):,.2f} of it for thinking" if thought else ""
        lines.append(f"cost: about {provider.prices.cost(prompt, completion):,.2f}{for_thinking}")
    width = provider.in_flight[1] or 1
    rounds = max(1.0, len(answers) / width)  # these answers were requested concurrently, as far as the limit allows
    time_needed = duration(seconds / rounds / width * count)
    return "\n".join([*lines, f"time: about {time_needed}, with {width} requests in flight as at the start"])


def estimate_unasked(args: GenerationArguments, provider: LLMProvider, requests: list[ChatRequest]) -> str:
    """An upper bound for the whole run, before any request."""
    characters = sum(len(message["content"]) for request in requests for message in request.messages)
    prompt = characters / len(requests) / CHARACTERS_PER_TOKEN * args.num_stories
    completion = args.max_tokens * args.num_stories
    cost = f"\ncost: at most about {provider.prices.cost(prompt, completion):,.2f}" if provider.prices else ""
    return (
        f"{args.num_stories:,} stories: about {prompt:,.0f} prompt tokens (at {CHARACTERS_PER_TOKEN:g} characters per token) "
        f"and at most {completion:,} completion tokens (max_tokens){cost}\n"
        "without --dry_run the estimate is based on real answers, which are kept for the run"
    )
