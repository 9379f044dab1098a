"""What the scripted LLM says: a function of prompt and seed, and of a JSON schema where one is honoured.

Models: stories with the words that were asked for (quoted, or listed after "words …:"), lists of words for a vocabulary,
JSON under a schema, the cut at a token limit, stop sequences. A token is a word between spaces.
Does not model: a real tokenizer, sampling parameters (temperature and top_p change nothing), log probabilities.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

WORD_LINES = {
    "noun": "apple ball cake dog egg fish garden hat ice jar kite lamp moon nest onion pig queen river sun tree",
    "verb": "ask bake clap dance eat find give help jump kick laugh make nod open paint run sing talk visit walk",
    "adjective": "big calm dark early funny green happy kind little muddy new old pink quick red sad tall warm",
}
WORDS = {pos: line.split() for pos, line in WORD_LINES.items()}
UNFIT = ["banana split", "xqzzw", "extraterrestrially", "a", "damn", "running2"]
OPENINGS = ["Once upon a time", "One day", "Long ago", "On a sunny morning", "In a small house"]
NAMES = ["Tim", "Mia", "Ben", "Lily", "Sam", "Anna"]
READY_MADE = 1024
"""Stories that `cheap_answer` has in store."""
UNSUPPORTED = ("pattern", "not", "if", "allOf", "patternProperties", "multipleOf", "prefixItems")
"""Words of JSON Schema that `value_under` cannot keep to."""


class SchemaNotSupported(Exception):
    """The generator cannot make a value for this JSON schema."""


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
        prompt: all that was sent; it decides the answer, together with the seed.
        seed: the sampling seed.
        max_tokens: the answer is cut after so many words.
        asked: the last turn, which says what is wanted (of a k-shot conversation); default: the prompt.
        schema: the answer is JSON under this schema.
        stop: texts before which the answer ends.

    Raises:
        SchemaNotSupported: the schema says more than the generator understands.
    """
    draw = draw_for(prompt, seed)
    question = last_request(prompt) if asked is None else asked
    pos = part_of_speech(question)
    if schema is not None:
        text = json.dumps(value_under(schema, draw, words_of(pos, draw) if pos else None))
    elif pos:
        text = "\n".join(words_of(pos, draw))
    else:
        text = story(requested_words(question), draw)
    return cut(text, max_tokens, stop)


def cut(text: str, max_tokens: int, stop: Sequence[str] = ()) -> tuple[str, str, int]:
    """The text before a stop sequence or up to the token limit, and which of them ended it."""
    reason = "stop"
    for sequence in stop:
        if sequence in text:
            text, reason = text.split(sequence, 1)[0], "stop_sequence"
    words = text.split()
    if len(words) <= max_tokens:
        return text, reason, len(words)
    return " ".join(words[:max_tokens]), "length", max_tokens


def last_request(prompt: str) -> str:
    """What a prompt of several paragraphs asks for: the last one that names words, so that k-shot examples do not count."""
    for paragraph in reversed(prompt.split("\n\n")):
        if requested_words(paragraph, default=()):
            return paragraph
    return prompt


def requested_words(question: str, default: Sequence[str] = ("dog",)) -> list[str]:
    """The words that a story must have: those in quotes, or a list after "words …:"."""
    quoted = re.findall(r'"([a-z]+)"', question)
    if not quoted and (listed := re.search(r"\bwords\b[^:.\n]*: ((?:[a-z]+, )+(?:and )?[a-z]+)", question)):
        quoted = re.split(r", (?:and )?", listed[1])
    return quoted or list(default)


def part_of_speech(question: str) -> str | None:
    """Which words a question of the vocabulary phase wants; `None`: it is another question."""
    found = re.search(r"\b(noun|verb|adjective)s\b", question)
    return found[1] if found and "story" not in question else None


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
    sentences += [
        f"{name} said the word {word} to {pick(NAMES)}, who was {int(uniform() * 10**6)} days old."
        for word in required
    ]
    sentences += [
        f"They wanted to {pick(verbs)} near the {pick(adjectives)} {pick(nouns)}."
        for _ in range(6 + int(uniform() * 7))
    ]
    return " ".join(sentences)


@lru_cache(maxsize=1)
def ready_made() -> list[str]:
    """Stories without particular words."""
    return [story(("dog",), random.Random(number)) for number in range(READY_MADE)]


def cheap_answer(prompt: str, seed: int, max_tokens: int) -> tuple[str, str, int]:
    """As `answer`, chosen by a hash from `READY_MADE` stories: for benchmarks that the server must not slow down."""
    stories = ready_made()
    return cut(stories[zlib.crc32(f"{seed}|{prompt}".encode("utf-8", "replace")) % len(stories)], max_tokens)


def value_under(
    schema: Any, draw: random.Random, words: list[str] | None = None, root: Any = None, depth: int = 0
) -> Any:
    """A value valid under a JSON schema: objects with all properties, arrays, strings, numbers, enum, const, anyOf, $ref.

    Args:
        schema: the schema, or the part of it at hand.
        draw: decides what is open.
        words: what arrays of strings hold (a vocabulary); default: short sentences and words.

    Raises:
        SchemaNotSupported: it uses one of `UNSUPPORTED`, or goes round in circles.
    """
    root = schema if root is None else root
    if schema is True or schema == {}:
        return draw.choice(WORDS["noun"])
    if not isinstance(schema, Mapping) or depth > 20 or any(word in schema for word in UNSUPPORTED):
        raise SchemaNotSupported(f"not supported: {json.dumps(schema)[:200]}")
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target.get(part) if isinstance(target, Mapping) else None
        return value_under(target, draw, words, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw.choice(schema["enum"])
    if alternatives := schema.get("anyOf") or schema.get("oneOf"):
        return value_under(draw.choice(alternatives), draw, words, root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        missing = {name: True for name in schema.get("required", ()) if name not in properties}
        return {n: value_under(s, draw, words, root, depth + 1) for n, s in {**properties, **missing}.items()}
    if kind == "array":
        return items_under(schema, draw, words, root, depth)
    if kind in ("integer", "number"):
        return number_under(schema, draw, whole=kind == "integer")
    if kind == "string":
        shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 80)
        text = f"{draw.choice(NAMES)} saw a {draw.choice(WORDS['adjective'])} {draw.choice(WORDS['noun'])}."
        while len(text) < shortest:
            text += f" They wanted to {draw.choice(WORDS['verb'])}."
        return text[:longest]
    if kind in ("boolean", "null"):
        return draw.random() < 0.5 if kind == "boolean" else None
    raise SchemaNotSupported(f"type {kind!r}")


def items_under(
    schema: Mapping[str, Any], draw: random.Random, words: list[str] | None, root: Any, depth: int
) -> list:
    """A list under an array's schema."""
    fewest = schema.get("minItems", 0)
    most = schema.get("maxItems", max(fewest, 5))
    items = schema.get("items", True)
    strings = isinstance(items, Mapping) and items.get("type") == "string" and not {"enum", "const"} & set(items)
    if words and strings and len(words) >= fewest:
        return words[: schema.get("maxItems", len(words))]
    values: list[Any] = []
    wanted = draw.randint(max(fewest, min(1, most)), most)
    for _ in range(20 * wanted):
        value = value_under(items, draw, words, root, depth + 1)
        if not (schema.get("uniqueItems") and value in values):
            values.append(value)
        if len(values) == wanted:
            break
    if len(values) < fewest:
        raise SchemaNotSupported("more unique items than there are")
    return values


def number_under(schema: Mapping[str, Any], draw: random.Random, *, whole: bool) -> float:
    """A number between the bounds of its schema; 0 to 100 where there are none."""
    step = 1 if whole else 1e-6
    low = max(schema.get("minimum", -1e18), schema.get("exclusiveMinimum", -1e18) + step)
    high = min(schema.get("maximum", 1e18), schema.get("exclusiveMaximum", 1e18) - step)
    low = low if low > -1e17 else min(0, high)
    high = high if high < 1e17 else max(low, 0) + 100
    return draw.randint(-int(-low // 1), int(high // 1)) if whole else draw.uniform(low, high)


def schema_in_words(question: str) -> dict[str, Any] | None:
    """The JSON schema that a question gives in words: behind "schema", or by an example; `None` where it asks for no JSON."""
    if "JSON" not in question:
        return None
    said = question[question.rfind("schema") if "schema" in question else 0 :]
    for start in re.finditer(r"[{\[]", said):
        try:
            content, _ = json.JSONDecoder().raw_decode(said, start.start())
        except ValueError:
            continue
        return content if "schema" in question and isinstance(content, dict) else schema_like(content)
    return {"type": "object"}


def schema_like(example: Any) -> dict[str, Any]:
    """A schema that allows values such as an example."""
    if isinstance(example, dict):
        properties = {name: schema_like(value) for name, value in example.items()}
        return {"type": "object", "properties": properties, "required": list(example)}
    if isinstance(example, list):
        return {"type": "array", "items": schema_like(example[0]) if example else {}, "minItems": 1}
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": names.get(type(example), "null")}
