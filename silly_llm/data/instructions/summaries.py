"""Summaries for datasets that lack them, written by an LLM provider; each is paid for once and stored in a journal."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from silly_llm.asking.engine import Answer, Engine, RequestCounts, answer_all
from silly_llm.asking.journal import Journal
from silly_llm.data.filters.cleaning import STEPS, clean
from silly_llm.data.instructions.types import Story
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider
from silly_llm.providers.thinking import nothing_said
from silly_llm.text.languages import ENGLISH
from silly_llm.text.sentences import split_sentences
from silly_llm.text.words import join_words

QUESTION = (
    "Here is a short story for a small child.\n\n{text}\n\nSay in one or two short sentences, in simple words, what "
    "happens in it. Answer with these sentences only."
)
IN_ITS_LANGUAGE = "Write them in the language of the story (ISO 639: {language})."
STORIES_AT_ONCE = 2_000
"""Stories held in memory while some of them are summarized."""
MAX_TOKENS = 80


class SummaryWriter(AbstractContextManager):
    """Fills in summaries. A context manager: it holds an event loop and a journal, `journal-summaries.sqlite` in the output folder.

    The seeds of the requests derive from `seed` and the story; summaries are in the stories' `language`.
    """

    def __init__(self, provider: LLMProvider, folder: str | Path, *, seed: int, language: str = ENGLISH) -> None:
        self.question = QUESTION if language == ENGLISH else f"{QUESTION} {IN_ITS_LANGUAGE.format(language=language)}"
        self.provider = provider
        self.seed = seed
        self.tally = RequestCounts()
        self.tokens = Counter(prompt_tokens=0, completion_tokens=0)
        """Of all answers, including those from the journal."""
        self.missing = Counter[str]()
        """Why stories have no summary, with counts."""
        self._journal = None if provider.free else Journal(Path(folder) / "journal-summaries.sqlite")
        self._engine = Engine(provider, self._journal, self.tally)
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(provider.prepare())

    def __exit__(self, *_: object) -> None:
        """Flush the journal and close the provider, in the event loop that it was used in."""
        if self._journal is not None:
            self._journal.close()
        self._loop.run_until_complete(self.provider.aclose())
        self._loop.close()

    def fill(self, stories: Iterable[Story], wanted: Callable[[Story], bool]) -> Iterator[Story]:
        """The same stories in the same order, with summaries added to those that lack one and are `wanted`.

        If a request fails, its story stays without a summary and is requested by something else. Raises `RunError` if the
        provider cannot answer at all; existing answers are kept.
        """
        iterator = iter(stories)
        while chunk := list(islice(iterator, STORIES_AT_ONCE)):
            requests = [(i, self.request(s)) for i, s in enumerate(chunk) if s.summary is None and wanted(s)]
            for i, answer in self._loop.run_until_complete(self._answers(requests)):
                if not isinstance(answer, Completion):
                    self.missing[answer.reason] += 1
                elif summary := tidy(answer):
                    chunk[i] = replace(chunk[i], summary=summary)
                else:
                    self.missing[nothing_said(answer) or "answer: cut before the end of a sentence"] += 1
            yield from chunk

    def request(self, story: Story) -> ChatRequest:
        """The request for a story's summary."""
        digest = hashlib.sha256(f"{self.seed}\0summary\0{story.story_id}".encode()).digest()
        return ChatRequest(
            messages=({"role": "user", "content": self.question.replace("{text}", story.text)},),
            seed=int.from_bytes(digest[:4], "big") >> 1,
            max_tokens=MAX_TOKENS,
            temperature=0.7,
            fields={"task": "summary", "text": story.text},
        )

    async def _answers(self, requests: list[tuple[int, ChatRequest]]) -> list[tuple[int, Answer]]:
        answers = [(i, answer) async for i, _, answer in answer_all(requests, self._engine)]
        for _, answer in answers:
            if isinstance(answer, Completion):
                self.tokens.update(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens)
        return answers


def tidy(answer: Completion) -> str:
    """The first two sentences of an answer, without one cut off by the token limit."""
    sentences = split_sentences(clean(answer.text.strip(), list(STEPS.items()))[0])[:2]
    return join_words([s for s in sentences if answer.finish_reason != "length" or s[-1] in '.!?"”。！？»」'])
