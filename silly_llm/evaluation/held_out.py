"""The held-out stories of an evaluation: documents to score, and what each model is asked to tell."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.data.instructions.types import Features, InstructionTypeConfig, Story, Words, listed
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData, StoryRequest, unique
from silly_llm.evaluation.metrics.statistics import distinct, openings
from silly_llm.evaluation.metrics.stories import following
from silly_llm.evaluation.texts import draw, not_blank
from silly_llm.text.features import FEATURES
from silly_llm.text.languages import ENGLISH, base, detect_language, standard
from silly_llm.text.sentences import content_words
from silly_llm.text.words import first_words, tokenize_words

OPENER = "Write a story."


def read_held_out(args: EvaluationArguments, records: Any, split: str) -> EvaluationData:
    """Documents and requests from the records of a `datasets.Dataset`, `split` of it; a RecipeError if they hold no stories."""
    if "story_id" in records.column_names:  # several requests of one story: its text counts once
        first = {story or (row,): row for row, story in reversed(list(enumerate(records["story_id"])))}
        records = records.select(sorted(first.values()))
    total, records = len(records), not_blank(records, args.text_column)
    blank = total - len(records)
    asked = draw(len(records), args.num_stories, f"stories {args.seed}")
    rows = [records[i] for i in asked]
    stories = [row[args.text_column] for row in rows]
    language = base(standard(args.language) if args.language else detect_language(stories[:50]) or ENGLISH)
    requests = [request_of(row, args, i, language) for i, row in zip(asked, rows, strict=True)]
    # The same measures of the held-out stories themselves: what a perfect student of them would get
    words, ids = [tokenize_words(story) for story in stories], unique(request.id for request in requests)
    reference = {f"distinct_{k}": distinct(ids, words, k) for k in (1, 2, 3, 4)} | {
        "top_opening": openings(ids, words)
    }
    reference |= following(list(zip(ids, stories, requests, strict=True)), language)
    scored = draw(len(records), args.num_documents, f"documents {args.seed}")
    texts = records.select(scored)[args.text_column]
    about = {
        "name": args.dataset,
        "split": split,
        "language": language,
        "digest": fingerprint([list(texts), [asdict(request) for request in requests]])[:16],
        "stories": len(records),
        **({"blank": blank} if blank else {}),
        "documents_scored": len(scored),
        "stories_asked_for": len(requests),
        "reference": {name: {**m.as_json(), **m.details} for name, m in reference.items() if m.n},
    }
    return EvaluationData(texts, requests, about)


def request_of(row: Mapping[str, Any], args: EvaluationArguments, index: int, language: str = ENGLISH) -> StoryRequest:
    """What is asked for in place of one held-out story.

    An instruction dataset's row is asked as it stands (`prompt` holds messages; `types` says what it asks for). A
    row of a story dataset is asked for its own `words` and `features`; where it names none, for three content words
    of its text and for one feature, both drawn by the seed. Both are English only: in other languages the story is free.
    """
    rng = random.Random(f"request {args.seed} {index}")
    text = row[args.text_column]
    beginning = first_words(text, args.beginning_words)
    prompt = row.get("prompt")
    if isinstance(prompt, Sequence) and prompt and isinstance(prompt[0], Mapping):
        messages = tuple({key: m.get(key) for key in ("role", "content")} for m in prompt)
        if not all(isinstance(text, str) for message in messages for text in message.values()):
            raise RecipeError(f"dataset: 'prompt' must be messages with role and content as texts, got {prompt!r:.80}")
        words, features = (listed(row, c) if c in (row.get("types") or ()) else () for c in ("words", "features"))
        return StoryRequest(beginning, messages, words, features)
    if language != ENGLISH:
        return StoryRequest(beginning, ({"role": "user", "content": beginning},))
    words = listed(row, "words") or tuple(content_words(text, rng))
    features = listed(row, "features") if "features" in row else (rng.choice(FEATURES),)
    story = Story(text, str(index), words, features)
    lines = [kind(InstructionTypeConfig()).write(story, rng) for kind in (Words, Features)]
    content = "\n".join([OPENER, *filter(None, lines)])
    return StoryRequest(beginning, ({"role": "user", "content": content},), words, features)
