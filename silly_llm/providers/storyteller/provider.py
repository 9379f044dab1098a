"""The storyteller as an LLM provider: it reads what a request was made of, not the request's English."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from silly_llm.core.registry import register
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed
from silly_llm.providers.storyteller.grammar import Story, tell
from silly_llm.providers.storyteller.lexicon import POS, lexicon
from silly_llm.text.sentences import split_sentences
from silly_llm.text.words import tokenize_words


@register("llm_provider", "storyteller")
class Storyteller(LLMProvider):
    """Writes stories by a seeded grammar: no model, no network, thousands a second; a stand-in for a real teacher.

    Reads `ChatRequest.fields` and `seed`, nothing else; it ignores `max_tokens` and temperature. Tasks:

    - `story` (default): `words` as `{"noun": …, "verb": …, "adjective": …}`, each a word or several, or a list in that
      order; `features`; whatever is missing it chooses itself. `extra["summary"]` and `extra["plot"]` come along.
    - `vocabulary`: `pos` (`noun`, `verb`, `adjective`), `count`, `exclude`, `offset`: words of the embedded list, one a
      line, in an order that the seed decides; fewer, or none, when the list ends.
    - `summary`: the sentence of `text` that shares most with the rest of it.

    Token counts are counts of words.
    """

    model = "storyteller"
    batch_size = 256
    uses_fields = True
    free = True

    async def complete(self, requests: Sequence[ChatRequest]) -> list[Completion | RequestFailed]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: ChatRequest) -> Completion | RequestFailed:
        fields, extra = request.fields, {}
        match fields.get("task", "story"):
            case "story":
                story = write(request.seed, fields)
                text, extra = story.text, {"summary": story.summary, "plot": story.plot}
            case "vocabulary" if fields.get("pos") in POS:
                text = "\n".join(list_words(request.seed, fields))
            case "vocabulary":
                return RequestFailed(f"storyteller: a vocabulary request needs pos, one of {', '.join(POS)}")
            case "summary":
                text = summarize(str(fields.get("text", "")))
            case task:
                return RequestFailed(f"storyteller: cannot do the task {task!r}; it does story, vocabulary, summary")
        asked = sum(len(message["content"].split()) for message in request.messages)
        return Completion(text, "stop", asked, len(text.split()), self.model, extra)


def write(seed: int, fields: Mapping[str, Any]) -> Story:
    """The story for a request's fields."""
    words = fields.get("words") or {}
    if not isinstance(words, Mapping):
        words = dict(zip(POS, words, strict=False))
    return tell(seed, {pos: _as_words(words.get(pos)) for pos in POS}, tuple(fields.get("features") or ()))


def _as_words(value: Any) -> tuple[str, ...]:
    values = (value,) if isinstance(value, str) else value or ()
    return tuple(filter(None, (re.sub("[{}]", "", str(word).strip().lower()) for word in values)))


def list_words(seed: int, fields: Mapping[str, Any]) -> list[str]:
    """Words of one part of speech: those not in `exclude`, from `offset` on, at most `count`."""
    pos = fields["pos"]
    draw = random.Random(f"{seed}|{pos}").random
    exclude = {str(word).lower() for word in fields.get("exclude") or ()}
    words = [word for word in sorted(lexicon()[POS[pos]], key=lambda _: draw()) if word not in exclude]
    offset, count = int(fields.get("offset") or 0), fields.get("count")
    return words[offset : None if count is None else offset + int(count)]


def summarize(text: str) -> str:
    """One sentence of `text`: of those that are not speech, the one whose words occur most in the others (extractive)."""
    sentences = split_sentences(text)
    candidates = [s for s in sentences if '"' not in s and len(s.split()) >= 5] or sentences
    counts = Counter(word for word in tokenize_words(text.lower()) if len(word) > 3)

    def score(sentence: str) -> float:
        words = {word for word in tokenize_words(sentence.lower()) if len(word) > 3}
        return sum(counts[word] - 1 for word in words) / (len(words) + 4)

    return max(candidates, key=score, default="")
