"""A model behind an API, asked by any LLM provider: it tells stories, but its weights, and so likelihoods, are elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from silly_llm.asking.engine import Engine, answer_all, engine_within
from silly_llm.asking.journal import Journal
from silly_llm.core.errors import RunError
from silly_llm.core.sampling import Generation, SamplingParams
from silly_llm.evaluation.arguments import SamplingSettings
from silly_llm.evaluation.models.base import DocumentScore, EvaluatedModel, NotMeasured
from silly_llm.providers.base import ChatRequest, LLMProvider, RequestFailed


class ServedModel(EvaluatedModel):
    """What an LLM provider answers with, as a model to be measured.

    Args:
        provider: Who is asked.
        name: How tables call it.
        journal: The file that keeps its answers; what is in it is not asked for again.
        limits: `max_requests`, `max_tokens_total` and `max_cost` of all runs with this journal.
    """

    def __init__(self, provider: LLMProvider, name: str, journal: Path, limits: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.provider, self.journal, self.limits = provider, journal, limits
        self.is_chat = getattr(getattr(provider, "config", None), "api", "chat") == "chat"

    @property
    def model(self) -> Any:
        """Raises `NotMeasured`, for metrics that work on weights."""
        raise NotMeasured(f"{self.name} is behind an API, which gives neither likelihoods nor weights")

    tokenizer = model

    def score(self, texts: Iterable[str], window: str = "sliding") -> Iterator[DocumentScore]:
        return self.model

    def sample(
        self, prompts: Sequence[Any], params: Sequence[SamplingParams], settings: SamplingSettings
    ) -> list[Generation]:
        """Ask for one text a prompt, through the engine; a plain text is the message of a user.

        Raises:
            RunError: a request failed after all retries, or the budget is spent; answers so far are in the journal.
        """
        requests = []
        for prompt, how in zip(prompts, params, strict=True):
            messages = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else tuple(prompt)
            seed = how.seed % 2**31  # what every server takes
            requests.append((None, ChatRequest(messages, seed, how.max_new_tokens, how.temperature, how.top_p)))
        with Journal(self.journal) as journal:
            engine = engine_within(self.limits, self.provider, journal)
            answers = asyncio.run(self._ask(requests, engine))
        if failed := [answer.reason for answer in answers if isinstance(answer, RequestFailed)]:
            kept = "the same command asks again for what is missing"
            raise RunError(f"{self.name}: {len(failed)} of {len(answers)} requests failed ({failed[0]}); {kept}")
        return [Generation(a.text, a.finish_reason == "stop", a.completion_tokens) for a in answers]

    async def _ask(self, requests: Sequence[tuple[None, ChatRequest]], engine: Engine) -> list[Any]:
        from tqdm.asyncio import tqdm

        async with aclosing(self.provider):
            await self.provider.prepare()
            about: Any = {"total": len(requests), "desc": f"{self.name}: asking", "unit": " requests"}
            async with aclosing(answer_all(requests, engine)) as answers:
                return [answer async for _, _, answer in tqdm(answers, **about, disable=None)]
