"""Vocabulary trimming: an existing byte-level BPE cut to the tokens that are most common in a corpus.

As in TinyStories (Eldan & Li 2023, section 3), whose models use GPT-Neo's tokenizer but only its 10,000 most common tokens. The 256
bytes stay, so no text is lost. BPE reaches a token only by merging its two parts, so a token is kept together with its parts,
and their parts, down to bytes; merges of what is not kept are dropped. A text that needs none of the dropped tokens is cut as before: of the
merges that applied to it none is gone, and fewer others compete.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers

from silly_llm.training.keys import refuse_if

AT_ONCE = 1000
"""Texts tokenized at a time."""


def trim(tokenizer: Any, texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str]) -> Any:
    """Cut a byte-level BPE to the tokens that are most common in the texts.

    Args:
        tokenizer: of transformers; stays as it is. A RecipeError where it is not a fast byte-level BPE, or has too few tokens.
        texts: what to count on; read once.
        vocab_size: tokens of the result, special tokens and bytes included. Where the texts use fewer, the rest are the first of the
            tokenizer's own order.
        special_tokens: take the place of the tokenizer's own, with the ids 0, 1 ….

    Returns:
        A `tokenizers.Tokenizer` with ids from 0 to `vocab_size` - 1: special tokens, then the kept ones in their old order. Its
        normalizer, pre-tokenizer and decoder are the old; it has no post-processor.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str()) if getattr(tokenizer, "is_fast", False) else {}
    model, steps = state.get("model", {}), state.get("pre_tokenizer") or {}
    kinds = [step.get("type") for step in steps.get("pretokenizers", [steps])]
    affixes = model.get("continuing_subword_prefix") or model.get("end_of_word_suffix")
    other = model.get("type") != "BPE" or "ByteLevel" not in kinds or affixes
    gpt2 = "only a fast byte-level BPE (such as GPT-2's) can be cut, and this is not one; leave vocab_size out"
    refuse_if(other, f"tokenizer: {gpt2}")
    old: dict[str, int] = {**state["model"]["vocab"]}
    for added in state["added_tokens"]:  # special ones do not count, others (runs of spaces, say) are tokens like any
        if added["special"]:
            old.pop(added["content"], None)
        else:
            old[added["content"]] = added["id"]
    alphabet = set(pre_tokenizers.ByteLevel.alphabet())
    most = len(old) + len(special_tokens)
    refuse_if(vocab_size > most, f"tokenizer: vocab_size: {vocab_size:,} is more than the {most:,} tokens there are")
    whole = alphabet <= old.keys()
    refuse_if(not whole, "tokenizer: only a fast byte-level BPE can be cut; this one lacks some bytes")

    # What is kept: bytes, then the most common tokens, each with all it is merged from
    merges: list[tuple[str, str]] = [(left, right) for left, right in state["model"]["merges"]]
    parts = {
        left + right: (left, right) for left, right in reversed(merges)
    }  # of a token the first merge that makes it
    counts: Counter[int] = Counter()  # how often the texts use each id
    source = iter(texts)
    while batch := list(islice(source, AT_ONCE)):
        for encoding in tokenizer.backend_tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            counts.update(encoding.ids)
    kept, room = set(alphabet), vocab_size - len(special_tokens)
    for token in sorted(old, key=lambda token: (-counts[old[token]], old[token])):
        needed = ancestry(token, parts) - kept
        if len(kept) + len(needed) <= room:
            kept |= needed

    # The same tokenizer with less in it
    names = [*special_tokens, *sorted(kept, key=old.__getitem__)]
    ids = {token: number for number, token in enumerate(names)}
    state["model"] |= {
        "vocab": ids,
        "merges": [[a, b] for a, b in merges if a in kept and b in kept and a + b in kept],
        "unk_token": None,
    }
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    others = [{**a, "id": ids[a["content"]]} for a in state["added_tokens"] if a["content"] in kept]
    state["added_tokens"] = [{"id": ids[t], "content": t, **flags} for t in special_tokens] + others
    state |= {"post_processor": None, "truncation": None, "padding": None}
    return Tokenizer.from_str(json.dumps(state))


def ancestry(token: str, parts: dict[str, tuple[str, str]]) -> set[str]:
    """A token and all that BPE makes on the way to it."""
    return {token}.union(*(ancestry(part, parts) for part in parts.get(token, ())))
