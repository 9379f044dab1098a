"""A loaded causal language model that scores documents and tells stories, in batches.

Documents are scored apart: each starts with the begin-of-text token and never sees another one. The bytes counted are
those of exactly the text that was scored, so that bits per byte compares models with different tokenizers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from silly_llm.core.errors import RecipeError, RunError, first_line
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.core.sampling import Generation, SamplingParams, encode, end_tokens, positions_of, sample
from silly_llm.evaluation.arguments import SamplingSettings
from silly_llm.evaluation.metrics.base import unique

DOCUMENTS_AT_ONCE = 1024  # tokenized and sorted by length together: bounds memory, not results
LOGITS_AT_ONCE = 2**25  # float32 numbers: 128 MiB
TOKENS_AT_ONCE = 2**13


@dataclass(frozen=True)
class DocumentScore:
    """How well a model predicted one document."""

    nats: float
    """Sum of the negative log-likelihoods of the scored tokens."""
    tokens: int
    """All tokens of the document (begin- and end-of-text are not counted) or, where it was cut, those that fit."""
    bytes: int
    """UTF-8 bytes of the text that these tokens stand for."""
    cut: bool = False
    """Whether the rest of the document was left out."""
    unknown: int = 0
    """How many of them are the unknown token, whose bytes the model gets for free."""


class LanguageModel:
    """A model, its tokenizer, and the two things evaluation does with them.

    Args:
        model: A causal language model of transformers on its device; put into eval mode.
        tokenizer: Its tokenizer.
        name: How tables call it.
        context: Positions used for scoring and sampling; default: all that the model has.
    """

    path = ""
    """The folder or Hub id it was loaded from, where known; its `recipe.yaml` names what it was trained on."""

    def __init__(self, model: Any, tokenizer: Any, name: str, context: int | None = None) -> None:
        self.model, self.tokenizer, self.name = model.eval(), tokenizer, name
        self.context = context or positions_of(model)
        self._generated: dict[str, list[Generation]] = {}
        self.generations: list[dict[str, Any]] = []
        """Every text it wrote, as a row of `generations.parquet`."""

    @classmethod
    def load(
        cls,
        path: str,
        *,
        name: str,
        revision: str | None = None,
        dtype: str = "float32",
        device: Any = None,
        context: int | None = None,
    ) -> LanguageModel:
        """Load a model folder or Hub id (with a LoRA adapter, too) by transformers' Auto classes.

        Raises:
            RecipeError: it has fewer positions than `context`.
            RunError: when it is no causal language model that transformers can load.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(path, revision=revision)
            model: Any = AutoModelForCausalLM.from_pretrained(path, revision=revision, dtype=getattr(torch, dtype))
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise RunError(f"cannot load the model {path}: {first_line(error)}") from error
        if context and context > positions_of(model, context):
            raise RecipeError(f"context: {context} is more than the {positions_of(model)} positions of {name}")
        device = device or torch.accelerator.current_accelerator(check_available=True) or "cpu"
        return cls(model.to(device), tokenizer, name, context)

    @property
    def is_chat(self) -> bool:
        """Whether it was tuned to answer: its tokenizer has a chat template."""
        return bool(getattr(self.tokenizer, "chat_template", None))

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
        windows = [(index, *piece) for index, (ids, _) in enumerate(documents) for piece in self._windows(ids)]
        windows.sort(key=lambda piece: len(piece[1]), reverse=True)
        nats = [0.0] * len(texts)
        for batch in self._batches(windows):
            for (index, _, _), loss in zip(batch, self._losses([b[1:] for b in batch]), strict=True):
                nats[index] += loss
        unknown = {self.tokenizer.unk_token_id}.difference(end_tokens(self.model, self.tokenizer))
        for text, total, (ids, length) in zip(texts, nats, documents, strict=True):
            size = len(text[:length].encode("utf-8", errors="replace"))
            yield DocumentScore(total, len(ids), size, length < len(text), sum(token in unknown for token in ids))

    def _encode(self, text: str, limit: int | None) -> tuple[list[int], int]:
        """Token ids without special tokens, at most `limit`, and how many characters of `text` they stand for."""
        fast = self.tokenizer.is_fast
        encoded = self.tokenizer(
            text,
            add_special_tokens=False,
            split_special_tokens=True,  # one that a text names is text
            return_offsets_mapping=fast,
            truncation=False,
            verbose=False,
        )
        ids = encoded["input_ids"]
        if limit is None or len(ids) <= limit:
            return ids, len(text)
        if not fast:
            return ids[:limit], len(self.tokenizer.decode(ids[:limit], skip_special_tokens=True))
        offsets = encoded["offset_mapping"]
        while limit > 0 and offsets[limit][0] < offsets[limit - 1][1]:
            limit -= 1  # the cut would split a character that several byte tokens make up
        return ids[:limit], offsets[limit - 1][1] if limit else 0

    def _windows(self, ids: list[int]) -> Iterator[tuple[list[int], int]]:
        """Pieces to feed: (begin-of-text + tokens, how many of the last tokens to score)."""
        end = 0
        while end < len(ids):
            start = max(0, end - self.context // 2)
            piece = ids[start : start + self.context - 1]
            yield [self.bos_token_id, *piece], start + len(piece) - end
            end = start + len(piece)

    def _batches(self, windows: list) -> Iterator[list]:
        """Batches of windows of about the same length, within the budget of tokens and logits."""
        vocabulary = self.model.get_output_embeddings().weight.shape[0]
        tokens = max(1, min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // vocabulary))
        rest = iter(windows)
        while batch := list(islice(rest, 1)):
            yield batch + list(islice(rest, max(1, tokens // len(batch[0][1])) - 1))

    @torch.inference_mode()
    def _losses(self, pieces: list[tuple[list[int], int]]) -> list[float]:
        """Nats of the last `count` tokens of each piece. Padded on the right: causal attention never looks there."""
        width = max(len(ids) for ids, _ in pieces)
        inputs = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in pieces], device=self.model.device)
        logits = self.model(input_ids=inputs, use_cache=False).logits[:, :-1].float()
        losses = cross_entropy(logits.transpose(1, 2), inputs[:, 1:], reduction="none").double().cpu()
        return [
            losses[row, len(ids) - 1 - count : len(ids) - 1].sum().item() for row, (ids, count) in enumerate(pieces)
        ]

    # Sampling ---------------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def generate(self, prompts: Sequence[Any], settings: SamplingSettings, seed: int) -> list[Generation]:
        """Sample one text a prompt; the same arguments give the same texts, and are computed only once.

        Args:
            prompts: Plain texts to continue (begin-of-text is put before them) or tuples of chat messages to answer.
            settings: Temperature, limit and batch size.
            seed: A text draws by this, its prompt, and how often the prompt stood before: the same prompt of every model from the
                same numbers, whatever else is asked.

        Returns:
            The new text only, in the order of the prompts.
        """
        key = repr((list(prompts), settings, seed))
        if key not in self._generated:
            how = settings.max_new_tokens, settings.temperature, settings.top_p
            turns = unique(fingerprint([seed, prompt]) for prompt in prompts)
            self._generated[key] = sample(
                self.model,
                self.tokenizer,
                [self._prompt_ids(prompt) for prompt in prompts],
                [SamplingParams(int(fingerprint(turn)[:15], 16), *how) for turn in turns],
                batch_size=settings.batch_size,
                context=self.context,
            )
            self.generations += [
                {
                    "prompt": prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False),
                    "sample": int(turn.partition("-")[2] or 1),
                    **asdict(settings),
                    "seed": seed,
                    **asdict(made),
                }
                for prompt, turn, made in zip(prompts, turns, self._generated[key], strict=True)
            ]
        return self._generated[key]

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
