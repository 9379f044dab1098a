"""A loaded causal language model that scores documents and tells stories, in batches.

Documents are scored apart: each starts with the begin-of-text token and never sees another one. The bytes counted are
those of exactly the text that was scored, so that bits per byte compares models with different tokenizers.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from silly_llm.core.errors import RunError, first_line
from silly_llm.evaluation.arguments import SamplingSettings

DOCUMENTS_AT_ONCE = 1024  # tokenized and sorted by length together: bounds memory, not results
LOGITS_AT_ONCE = 2**25  # float32 numbers: 128 MiB
TOKENS_AT_ONCE = 2**13


@dataclass(frozen=True)
class DocumentScore:
    """How well a model predicted one document.

    Args:
        nats: Sum of the negative log-likelihoods of the scored tokens.
        tokens: How many tokens were scored: all of the document's (begin- and end-of-text are not counted) or, where
            it was cut, those that fit.
        bytes: UTF-8 bytes of the text that these tokens stand for.
        cut: Whether the rest of the document was left out.
        unknown: How many of them are the unknown token, whose bytes the model gets for free.
    """

    nats: float
    tokens: int
    bytes: int
    cut: bool = False
    unknown: int = 0


@dataclass(frozen=True)
class Generation:
    """A sampled text; `ended` tells whether the model stopped by itself, before the limit."""

    text: str
    ended: bool
    tokens: int


class LanguageModel:
    """A model, its tokenizer, and the two things evaluation does with them.

    Args:
        model: A causal language model of transformers, in eval mode on its device.
        tokenizer: Its tokenizer.
        name: How tables call it.
        context: Positions used for scoring and sampling; default: all that the model has.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str, context: int | None = None) -> None:
        self.model, self.tokenizer, self.name = model.eval(), tokenizer, name
        self.context = context or positions_of(model)
        self._generated: dict[str, list[Generation]] = {}

    @classmethod
    def load(
        cls,
        path: str,
        *,
        name: str,
        revision: str | None = None,
        dtype: str = "float32",
        device: str | None = None,
        context: int | None = None,
    ) -> "LanguageModel":
        """Load a model folder or Hub id (with a LoRA adapter, too) by transformers' Auto classes.

        Raises:
            RunError: when it is no causal language model that transformers can load.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(path, revision=revision)
            model: Any = AutoModelForCausalLM.from_pretrained(path, revision=revision, dtype=getattr(torch, dtype))
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise RunError(f"cannot load the model {path}: {first_line(error)}") from error
        return cls(model.to(device or default_device()), tokenizer, name, context)

    @property
    def parameters(self) -> int:
        """How many numbers were trained (tied embeddings count once)."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def device(self) -> torch.device:
        return self.model.device

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

    @property
    def eos_token_ids(self) -> list[int]:
        """The tokens that end a text: the generation config's and the tokenizer's."""
        listed = getattr(self.model.generation_config, "eos_token_id", None)
        ids = set(listed if isinstance(listed, list) else [listed])
        ids.add(self.tokenizer.eos_token_id)
        return sorted(i for i in ids if i is not None)

    # Scoring ----------------------------------------------------------------------------------------------------------

    def score(self, texts: Iterable[str], window: str = "sliding") -> Iterator[DocumentScore]:
        """Score documents, in order, each by itself and begin-of-text first.

        Args:
            texts: Documents; empty ones score zero tokens and zero bytes.
            window: What to do with documents longer than the context. `sliding` scores every byte: the window moves by
                half a context, so every token is predicted from at least half of one (each window begins with
                begin-of-text again). `cut` scores the first `context` tokens, begin-of-text included.
        """
        chunk: list[str] = []
        for text in texts:
            chunk.append(text)
            if len(chunk) == DOCUMENTS_AT_ONCE:
                yield from self._score_chunk(chunk, window)
                chunk = []
        if chunk:
            yield from self._score_chunk(chunk, window)

    def _score_chunk(self, texts: list[str], window: str) -> Iterator[DocumentScore]:
        documents, windows = [], []
        for index, text in enumerate(texts):
            ids, length = self._encode(text, self.context - 1 if window == "cut" else None)
            documents.append((ids, length))
            windows += [(index, *piece) for piece in self._windows(ids)]
        nats = [0.0] * len(texts)
        windows.sort(key=lambda piece: len(piece[1]), reverse=True)
        for batch in self._batches(windows):
            for (index, _, _), loss in zip(batch, self._losses([b[1:] for b in batch]), strict=True):
                nats[index] += loss
        unknown = self.tokenizer.unk_token_id
        for text, total, (ids, length) in zip(texts, nats, documents, strict=True):
            unknowns = 0 if unknown is None or unknown in self.eos_token_ids else ids.count(unknown)
            size = len(text[:length].encode("utf-8", errors="replace"))
            yield DocumentScore(total, len(ids), size, length < len(text), unknowns)

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
        room = self.context - 1
        end = 0
        while end < len(ids):
            start = max(0, end - self.context // 2) if end else 0
            piece = ids[start : start + room]
            yield [self.bos_token_id, *piece], start + len(piece) - end
            end = start + len(piece)

    def _batches(self, windows: list) -> Iterator[list]:
        """Batches of windows of about the same length, within the budget of tokens and logits."""
        vocabulary = self.model.get_output_embeddings().weight.shape[0]
        tokens = max(1, min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // vocabulary))
        position = 0
        while position < len(windows):
            count = max(1, tokens // len(windows[position][1]))
            yield windows[position : position + count]
            position += count

    @torch.inference_mode()
    def _losses(self, pieces: list[tuple[list[int], int]]) -> list[float]:
        """Nats of the last `count` tokens of each piece. Padded on the right: causal attention never looks there."""
        width = max(len(ids) for ids, _ in pieces)
        inputs = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in pieces], device=self.device)
        logits = self.model(input_ids=inputs, use_cache=False).logits[:, :-1].float()
        losses = cross_entropy(logits.transpose(1, 2), inputs[:, 1:], reduction="none").double().cpu()
        return [
            losses[row, len(ids) - 1 - count : len(ids) - 1].sum().item() for row, (ids, count) in enumerate(pieces)
        ]

    # Sampling ---------------------------------------------------------------------------------------------------------

    def generate(self, prompts: Sequence[Any], settings: SamplingSettings, seed: int) -> list[Generation]:
        """Sample one text a prompt; the same arguments give the same texts, and are computed only once.

        Args:
            prompts: Plain texts to continue (begin-of-text is put before them) or tuples of chat messages to answer.
            settings: Temperature, limit and batch size.
            seed: Each batch of `batch_size` prompts draws from its own generator, made from this and its number.

        Returns:
            The new text only, in the order of the prompts.
        """
        key = hashlib.sha256(repr((list(prompts), settings, seed)).encode()).hexdigest()
        if key not in self._generated:
            encoded = [self._prompt_ids(prompt) for prompt in prompts]
            order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
            texts: dict[int, Generation] = {}
            size = settings.batch_size
            for number, first in enumerate(range(0, len(order), size)):
                rows = order[first : first + size]
                made = self._generate_batch([encoded[i] for i in rows], settings, seed * 1_000_003 + number)
                texts.update(zip(rows, made, strict=True))
            self._generated[key] = [texts[i] for i in range(len(prompts))]
        return self._generated[key]

    def _prompt_ids(self, prompt: Any) -> list[int]:
        """Begin-of-text and the prompt, its beginning cut off where it would take more than half of the context."""
        if isinstance(prompt, str):
            ids = self.tokenizer(prompt, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        else:
            ids = self.tokenizer.apply_chat_template(
                list(prompt), add_generation_prompt=True, tokenize=True, return_dict=True
            )["input_ids"]
            if ids[:1] == [self.bos_token_id]:
                ids = ids[1:]
        return [self.bos_token_id, *ids[max(0, len(ids) - self.context // 2) :]]

    @torch.inference_mode()
    def _generate_batch(self, rows: list[list[int]], settings: SamplingSettings, seed: int) -> list[Generation]:
        width = max(map(len, rows))
        limit = max(1, min(settings.max_new_tokens, self.context - width))
        pad = self.tokenizer.pad_token_id
        pad = self.eos_token_ids[0] if pad is None and self.eos_token_ids else pad or 0
        inputs = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=self.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.device)
        sampling: dict[str, Any] = {"do_sample": False}
        if settings.temperature > 0:
            sampling = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed % 2**63)
            output = self.model.generate(
                input_ids=inputs,
                attention_mask=mask,
                max_new_tokens=limit,
                max_length=None,
                eos_token_id=self.eos_token_ids or None,
                pad_token_id=pad,
                use_cache=True,
                **sampling,
            )
        new = output[:, width:].tolist()
        return [self._generation(prompt, ids) for prompt, ids in zip(rows, new, strict=True)]

    def _generation(self, prompt: list[int], ids: list[int]) -> Generation:
        ends = set(self.eos_token_ids)
        length = next((i for i, token in enumerate(ids) if token in ends), None)
        kept = ids if length is None else ids[:length]
        before = self.tokenizer.decode(prompt, skip_special_tokens=True)
        after = self.tokenizer.decode(prompt + kept, skip_special_tokens=True)
        # Decoded together, because tokenizers of the SentencePiece kind drop the space a text begins with.
        text = after[len(before) :] if after.startswith(before) else self.tokenizer.decode(kept, True)
        return Generation(text, length is not None, len(kept))


def positions_of(model: Any) -> int:
    """How many positions a model has (a model without a limit counts as 2048)."""
    config = model.config.get_text_config()
    return getattr(config, "max_position_embeddings", None) or 2048


def default_device() -> str:
    """The machine's accelerator, else the CPU."""
    return str(torch.accelerator.current_accelerator()) if torch.accelerator.is_available() else "cpu"


def bits_per_byte(nats: float, size: int) -> float:
    """Nats over a text of `size` bytes as bits per byte."""
    return nats / math.log(2) / size
