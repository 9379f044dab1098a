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
from silly_llm.evaluation.metrics.following import following
from silly_llm.evaluation.metrics.statistics import distinct, openings
from silly_llm.evaluation.originality.diversity import diversity
from silly_llm.evaluation.texts import draw, not_blank
from silly_llm.text.features import FEATURES
from silly_llm.text.languages import ENGLISH, base, detect_language, standard
from silly_llm.text.sentences import content_words, split_sentences
from silly_llm.text.verifiers import VERIFIERS
from silly_llm.text.words import first_words, tokenize_words

OPENER = "Write a story."
UNSEEN = "held_out"
"""The split of an instruction dataset whose requests combine types that are never together in training."""


def read_held_out(args: EvaluationArguments, records: Any, split: str, unseen: Any = None) -> EvaluationData:
    """Documents and requests from the records of a `datasets.Dataset`, `split` of it; a RecipeError if they hold no stories.

    Args:
        unseen: Records of the split `held_out`, where there is one and it is not `split`.
    """
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
    reference = {f"distinct_{k}": distinct(ids, words, k) for k in (1, 2, 3, 4)}
    reference |= {"top_opening": openings(ids, words)} | diversity(ids, stories, stories)
    reference |= following(list(zip(ids, stories, requests, strict=True)), language)
    drawn = draw(len(unseen), args.num_stories, f"unseen {args.seed}") if unseen is not None else []
    held_back = [request_of(unseen[i], args, i, language) for i in drawn if unseen[i][args.text_column]]
    scored = draw(len(records), args.num_documents, f"documents {args.seed}")
    texts = records.select(scored)[args.text_column]
    about = {
        "name": args.dataset,
        "split": split,
        "language": language,
        "digest": fingerprint([list(texts), [asdict(request) for request in requests]])[:16],
        "texts": fingerprint(sorted(texts))[:16],
        "stories": len(records),
        **({"blank": blank} if blank else {}),
        "documents_scored": len(scored),
        "stories_asked_for": len(requests),
        "reference": {name: {**m.as_json(), **m.details} for name, m in reference.items() if m.n},
    }
    if held_back:
        about["unseen_combinations"] = {
            "requests": len(held_back),
            "digest": fingerprint([asdict(request) for request in held_back])[:16],
        }
    return EvaluationData(texts, requests, about, held_back)


def checkable(
    row: Mapping[str, Any], types: Sequence[str], story: str, messages: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """What a row asks for beside words and features: columns that are named like their type and have a verifier.

    Our own instruction datasets have no column for the sentence: it is the story's longest one that stands in the prompt.
    """
    others = {t: row[t] for t in types if t in VERIFIERS and row.get(t) and t not in ("words", "features")}
    if "sentence" in types and "sentence" not in others:
        prompt = " ".join(" ".join(message["content"] for message in messages).split())
        asked = [sentence for sentence in split_sentences(story)[1:] if sentence in prompt]
        others |= {"sentence": max(asked, key=len)} if asked else {}
    return others


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
        types = tuple(row.get("types") or ())
        words, features = (listed(row, c) if c in types else () for c in ("words", "features"))
        return StoryRequest(beginning, messages, words, features, checkable(row, types, text, messages), types)
    if language != ENGLISH:
        return StoryRequest(beginning, ({"role": "user", "content": beginning},))
    words = listed(row, "words") or tuple(content_words(text, rng))
    features = listed(row, "features") if "features" in row else (rng.choice(FEATURES),)
    story = Story(text, str(index), words, features)
    lines = [kind(InstructionTypeConfig()).write(story, rng) for kind in (Words, Features)]
    content = "\n".join([OPENER, *filter(None, lines)])
    return StoryRequest(beginning, ({"role": "user", "content": content},), words, features)
