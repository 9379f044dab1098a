"""What the scripted LLM says: a function of prompt and seed, and of a JSON schema where one is honoured.

Stories with the words that were asked for (quoted, or listed after "words …:"), lists of words for a vocabulary, JSON under a
schema; cut at a token limit or a stop sequence. A token is a word between spaces; sampling parameters change nothing.
"""

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

WORD_LISTS = {
    "noun": "apple ball cake dog egg fish garden hat ice jar kite lamp moon nest onion pig queen river sun tree",
    "verb": "ask bake clap dance eat find give help jump kick laugh make nod open paint run sing talk visit walk",
    "adjective": "big calm dark early funny green happy kind little muddy new old pink quick red sad tall warm",
}
WORDS = {pos: words.split() for pos, words in WORD_LISTS.items()}
UNFIT = ["banana split", "xqzzw", "extraterrestrially", "a", "damn", "running2"]
OPENINGS = ["Once upon a time", "One day", "Long ago", "On a sunny morning", "In a small house"]
NAMES = ["Tim", "Mia", "Ben", "Lily", "Sam", "Anna"]


def draw_for(prompt: str, seed: int) -> random.Random:
    """The random numbers behind an answer."""
    digest = hashlib.sha256(f"{seed}|{prompt}".encode("utf-8", "replace")).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def answer(
    prompt: str,
    seed: int,
    max_tokens: int,
    *,
    asked: str | None = None,
    schema: Mapping[str, Any] | None = None,
    stop: Sequence[str] = (),
) -> tuple[str, str, int]:
    """Text, finish reason ("stop", "stop_sequence", "length") and number of tokens.

    Args:
        prompt: all that was sent; together with the seed it decides the answer.
        seed: the sampling seed.
        max_tokens: the answer is cut after so many words.
        asked: the last turn of a conversation, which says what is wanted; default: the prompt.
        schema: the answer is JSON under this schema.
        stop: texts before which the answer ends.

    Raises:
        ValueError: the schema says more than the generator understands.
    """
    draw = draw_for(prompt, seed)
    question = last_request(prompt) if asked is None else asked
    pos = re.search(r"\b(noun|verb|adjective)s\b", question) if "story" not in question else None
    words = words_of(pos[1], draw) if pos else []
    if schema is not None:
        text = json.dumps(value_under(schema, draw, words))
    else:
        text = "\n".join(words) or story(requested_words(question) or ["dog"], draw)
    reason = "stop"
    for sequence in stop:
        if sequence in text:
            text, reason = text.split(sequence, 1)[0], "stop_sequence"
    pieces = text.split()
    if len(pieces) > max_tokens:
        return " ".join(pieces[:max_tokens]), "length", max_tokens
    return text, reason, len(pieces)


def last_request(prompt: str) -> str:
    """What a prompt of several paragraphs asks for: the last one that names words, so that k-shot examples do not count."""
    return next((p for p in reversed(prompt.split("\n\n")) if requested_words(p)), prompt)


def requested_words(question: str) -> list[str]:
    """The words that a story must have: those in quotes, or a list after "words …:"."""
    quoted = re.findall(r'"([a-z]+)"', question)
    if not quoted and (listed := re.search(r"\bwords\b[^:.\n]*: ((?:[a-z]+, )+(?:and )?[a-z]+)", question)):
        quoted = re.split(r", (?:and )?", listed[1])
    return quoted


def words_of(pos: str, draw: random.Random) -> list[str]:
    """Words for a vocabulary, two of them unfit."""
    words = [*WORDS[pos], *draw.sample(UNFIT, 2)]
    draw.shuffle(words)
    return words


def story(required: Sequence[str], draw: random.Random) -> str:
    """A story of 8 to 20 sentences with the words."""
    uniform = draw.random  # a tenth of the time of draw.choice, which is most of a story otherwise

    def pick(items: Sequence[str]) -> str:
        return items[int(uniform() * len(items))]

    nouns, verbs, adjectives = WORDS["noun"], WORDS["verb"], WORDS["adjective"]
    name = pick(NAMES)
    sentences = [f"{pick(OPENINGS)}, {name} saw a {pick(adjectives)} {pick(nouns)}."]
    for word in required:
        sentences.append(f"{name} said the word {word} to {pick(NAMES)}, who was {int(uniform() * 10**6)} days old.")
    for _ in range(6 + int(uniform() * 7)):
        sentences.append(f"They wanted to {pick(verbs)} near the {pick(adjectives)} {pick(nouns)}.")
    return " ".join(sentences)


def value_under(schema: Mapping[str, Any], draw: random.Random, words: Sequence[str] = ()) -> Any:
    """A value under a JSON schema of objects, arrays and strings; arrays of strings hold `words`, if there are any.

    Raises:
        ValueError: it has another type.
    """
    match schema.get("type"):
        case "object":
            return {name: value_under(part, draw, words) for name, part in schema["properties"].items()}
        case "array":
            if words and schema["items"].get("type") == "string":
                return list(words)[: schema.get("maxItems")]
            count = schema.get("maxItems", max(schema.get("minItems", 0), 3))
            return [value_under(schema["items"], draw, words) for _ in range(count)]
        case "string":
            return f"{draw.choice(NAMES)} saw a {draw.choice(WORDS['adjective'])} {draw.choice(WORDS['noun'])}."
    raise ValueError(f"grammar is not valid: {schema}")
