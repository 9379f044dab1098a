"""Bytes of a text that a tokenizer loses: unknown tokens, lower-casing, dropped accents, characters and spaces.

A model gets such bytes for free, since it predicts only tokens: with a vocabulary of nothing but `<unk>` it would need no bits at all.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Any

NO_CHARACTER = "\ue000"
"""Stands for an unknown token; from the private use area, so that no text has it."""
EXACTLY = 20_000
"""Words and spaces up to which two texts are compared exactly; longer ones word for word or, where their
numbers differ, without frequent words as anchors, which takes no hours and may count a little more."""
PARTS = re.compile(r"\s|\w+|[^\w\s]")


def lossy_bytes(tokenizer: Any, text: str, ids: list[int]) -> int:
    """UTF-8 bytes of `text` that its token ids do not spell, found by decoding; at most all of them.

    What is decoded in excess (a space that stands nowhere) counts a byte a character. A space before the text is no loss: tokenizers
    of the SentencePiece kind put one there.
    """
    decoded = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    if decoded in (text, f" {text}"):
        return 0
    if tokenizer.unk_token_id in ids:
        decoded = decoded.replace(tokenizer.unk_token, NO_CHARACTER)
    return min(_differing(PARTS.findall(text), PARTS.findall(decoded)), _size(text))


def _differing(source: Any, decoded: Any) -> int:
    """Bytes that differ between two lists of words, or two strings; words that stand for others are compared by character."""
    lost, long = 0, len(source) > EXACTLY
    if long and len(source) == len(decoded):
        return sum(_differing(a, b) for a, b in zip(source, decoded, strict=True) if a != b)
    matcher = SequenceMatcher(None, source, decoded, autojunk=long)
    for tag, i, j, k, n in matcher.get_opcodes():
        if tag != "equal":
            before, after = "".join(source[i:j]), "".join(decoded[k:n])
            by_character = tag == "replace" and not isinstance(source, str)
            lost += _differing(before, after) if by_character else max(_size(before), len(after) if i == j else 0)
    return lost


def _size(text: str) -> int:
    return len(text.encode("utf-8", errors="replace"))
