"""A loaded causal language model that scores documents and tells stories, in batches.

Documents are scored apart: each starts with the begin-of-text token and never sees another one. The bytes counted are
those of exactly the text that was scored, so that bits per byte compares models with different tokenizers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from silly_llm.core.errors import RunError
from silly_llm.core.sampling import Generation, SamplingParams, encode, positions_of, sample
from silly_llm.evaluation.arguments import ModelEntry, SamplingSettings
from silly_llm.evaluation.models.base import DocumentScore, EvaluatedModel
from silly_llm.evaluation.models.spelling import lossy_bytes

DOCUMENTS_AT_ONCE = 1024  # tokenized and sorted by length together: bounds memory, not results
LOGITS_AT_ONCE = 2**25  # float32 numbers: 128 MiB
TOKENS_AT_ONCE = 2**13
CURVE = 8
"""Tokens of the first bucket of `DocumentScore.curve`; each of the others ends at twice the position of the one before."""


class Tokens(NamedTuple):
    """A document as the model reads it."""

    ids: list[int]
    """Without special tokens."""
    length: int
    """Characters of the document that they stand for."""
    starts: Sequence[tuple[int, int]]
    """Of each token the place in the document, in characters."""


class LanguageModel(EvaluatedModel):
    """A model, its tokenizer, and the two things evaluation does with them.

    Args:
        model: A causal language model of transformers on its device; put into eval mode.
        tokenizer: Its tokenizer.
        name: How tables call it.
        context: Positions used for scoring and sampling; default: all that the model has.
    """

    context: int

    def __init__(self, model: Any, tokenizer: Any, name: str, context: int | None = None) -> None:
        super().__init__(name)
        self.model, self.tokenizer = model.eval(), tokenizer
        self.context = context or positions_of(model)
        self.is_chat = bool(getattr(tokenizer, "chat_template", None))
        self.parameters, self.vocabulary = model.num_parameters(), len(tokenizer)

    @classmethod
    def load(
        cls,
        path: str,
        *,
        name: str,
        revision: str | None = None,
        gguf_file: str | None = None,
        dtype: str = "float32",
        device: Any = None,
        context: int | None = None,
    ) -> LanguageModel:
        """Load a model folder or Hub id (with a LoRA adapter, too) or a GGUF file by transformers' Auto classes.

        Raises:
            RecipeError, RunError: as `loading.check_model` and `loading.load_model` do.
        """
        from silly_llm.evaluation.models.loading import check_model, load_model

        entry = ModelEntry(path, name, revision, gguf_file)
        tokenizer = check_model(entry, context)
        device = device or torch.accelerator.current_accelerator(check_available=True) or "cpu"
        loaded = cls(load_model(entry, tokenizer, dtype).to(device), tokenizer, name, context)
        loaded.path = path
        return loaded

    @property
    def bos_token_id(self) -> int:
        """The token that begins a text: the tokenizer's, else the model's, else its end-of-text token (GPT-2)."""
        for candidate in (self.tokenizer.bos_token_id, self.model.config.bos_token_id, self.tokenizer.eos_token_id):
            if candidate is not None:
                return candidate
        raise RunError(f"{self.name}: the tokenizer names neither a begin- nor an end-of-text token")

    # Scoring ----------------------------------------------------------------------------------------------------------

    def score(self, texts: Iterable[str], window: str = "sliding") -> Iterator[DocumentScore]:
        """Score documents, in order, each by itself and begin-of-text first.

        Args:
            texts: Documents; empty ones score zero tokens and zero bytes.
            window: What to do with documents longer than the context. `sliding` scores every byte: the window moves by
                half a context, so every token is predicted from at least half of one (each window begins with
                begin-of-text again). `cut` scores the first `context` tokens, begin-of-text included.
        """
        rest = iter(texts)
        while chunk := list(islice(rest, DOCUMENTS_AT_ONCE)):
            yield from self._score_chunk(chunk, window)

    def _score_chunk(self, texts: list[str], window: str) -> Iterator[DocumentScore]:
        documents = [self._encode(text, self.context - 1 if window == "cut" else None) for text in texts]
        windows = [(index, *piece) for index, tokens in enumerate(documents) for piece in self._windows(tokens.ids)]
        windows.sort(key=lambda piece: len(piece[1]), reverse=True)
        losses = [np.zeros(len(tokens.ids)) for tokens in documents]
        for batch in self._batches(windows):
            for (index, ids, end, count), nats in zip(batch, self._losses([b[1] for b in batch]), strict=True):
                losses[index][end - count : end] = nats[len(ids) - 1 - count : len(ids) - 1]
        for text, tokens, nats in zip(texts, documents, losses, strict=True):
            yield self._document_score(text, tokens, nats)

    def _document_score(self, text: str, tokens: Tokens, nats: np.ndarray) -> DocumentScore:
        ids, length, starts = tokens
        scored, total = text[:length], float(nats.sum())
        if not math.isfinite(total):
            raise RunError(f"{self.name}: the loss of the document that begins {text[:40]!r} is {total}")
        edges = [0]
        while edges[-1] < len(ids):
            edges.append(min(max(CURVE, 2 * edges[-1]), len(ids)))
        places = [0, *(starts[edge][0] for edge in edges[1:-1]), length]
        sizes = [len(scored[a:b].encode("utf-8", errors="replace")) for a, b in pairwise(places)]
        return DocumentScore(
            nats=total,
            tokens=len(ids),
            bytes=len(scored.encode("utf-8", errors="replace")),
            cut=length < len(text),
            unknown=ids.count(self.tokenizer.unk_token_id),
            characters=length,
            lossy=lossy_bytes(self.tokenizer, scored, ids),
            curve=tuple(zip(np.add.reduceat(nats, edges[:-1]).tolist(), sizes, strict=True)) if len(edges) > 1 else (),
        )

    def _encode(self, text: str, limit: int | None) -> Tokens:
        """A document as token ids, at most `limit`; a special token that it names is text."""
        options = {"add_special_tokens": False, "truncation": False, "verbose": False, "split_special_tokens": True}
        encoded = self.tokenizer(text, return_offsets_mapping=True, **options)
        ids, starts = encoded["input_ids"], encoded["offset_mapping"]
        if limit is None or len(ids) <= limit:
            return Tokens(ids, len(text), starts)
        while limit > 0 and starts[limit][0] < starts[limit - 1][1]:
            limit -= 1  # the cut would split a character that several byte tokens make up
        return Tokens(ids[:limit], starts[limit - 1][1] if limit else 0, starts[:limit])

    def _windows(self, ids: list[int]) -> Iterator[tuple[list[int], int, int]]:
        """Pieces to feed: (begin-of-text + tokens, where in `ids` they end, how many of the last tokens to score)."""
        end = 0
        while end < len(ids):
            start = max(0, end - self.context // 2)
            piece = ids[start : start + self.context - 1]
            before, end = end, start + len(piece)
            yield [self.bos_token_id, *piece], end, end - before

    def _batches(self, windows: list) -> Iterator[list]:
        """Batches of windows of about the same length, within the budget of tokens and logits."""
        vocabulary = self.model.get_output_embeddings().weight.shape[0]
        tokens = max(1, min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // vocabulary))
        rest = iter(windows)
        while batch := list(islice(rest, 1)):
            yield batch + list(islice(rest, max(1, tokens // len(batch[0][1])) - 1))

    @torch.inference_mode()
    def _losses(self, pieces: list[list[int]]) -> np.ndarray:
        """Nats of each token given those before it, shape (pieces, width). Padded on the right: causal attention never looks there."""
        width = max(len(ids) for ids in pieces)
        inputs = torch.tensor([ids + [0] * (width - len(ids)) for ids in pieces], device=self.model.device)
        logits = self.model(input_ids=inputs, use_cache=False).logits
        following = inputs.roll(-1, dims=1)  # the last position predicts nothing, and nobody reads it
        losses = cross_entropy(logits.flatten(0, 1).float(), following.flatten(), reduction="none")
        return losses.view(inputs.shape).double().cpu().numpy()

    # Sampling ---------------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def sample(
        self, prompts: Sequence[Any], params: Sequence[SamplingParams], settings: SamplingSettings
    ) -> list[Generation]:
        ids = [self._prompt_ids(prompt) for prompt in prompts]
        return sample(self.model, self.tokenizer, ids, params, batch_size=settings.batch_size, context=self.context)

    def _prompt_ids(self, prompt: Any) -> list[int]:
        """Begin-of-text and the prompt, its beginning cut off where it would take more than half of the context."""
        if isinstance(prompt, str):
            ids = self.tokenizer(prompt, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        else:
            ids = encode(self.tokenizer, prompt)
            ids = ids[1:] if ids[:1] == [self.bos_token_id] else ids
        return [self.bos_token_id, *ids[max(0, len(ids) - self.context // 2) :]]


def bits_per_byte(nats: float, size: int) -> float:
    """Nats over a text of `size` bytes as bits per byte."""
    return nats / math.log(2) / size
