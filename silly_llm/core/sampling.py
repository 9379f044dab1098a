"""Sampling texts from a causal language model of transformers: one way for provider, evaluation, training and chat.

Each text has its own random numbers, which depend on its seed, the position and the token alone: a token is drawn as the likeliest after
Gumbel noise is added to the logits. Sums in a batch of another shape round differently; by the rounding measured, that should change one
text of 200 tokens in some thousands, and with inverse transform sampling, all of whose boundaries move, one in 30 (docs/lab-log.md).

Rows leave the batch when they end. Refilling them would have every row's attention, most of the work of a small model, span the longest.
transformers' continuous batching (`generate_batch`) has one seed for all requests.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

CHECK = 8
"""Tokens between two looks at what has ended, on devices that would wait for each; on a CPU every token."""
DROPPED = 8
"""Rows that ended are dropped when they are one in so many: each time the others' cache is copied."""
AHEAD = 128
"""Positions that the cache grows by."""


@dataclass(frozen=True)
class SamplingParams:
    """How one text is sampled; temperature 0 takes the likeliest token, `top_p` 1 is off."""

    seed: int
    max_new_tokens: int = 512
    temperature: float = 0.8
    top_p: float = 1.0


@dataclass(frozen=True)
class Generation:
    """A sampled text, without what it continues."""

    text: str
    ended: bool
    """Whether the model stopped by itself, before the limit."""
    tokens: int
    """End-of-text not counted."""


def positions_of(model: Any, default: int = 2048) -> int:
    """How many positions a model has, or the default where it has no limit."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None) or default


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end a text: the generation config's and the tokenizer's."""
    ids = model.generation_config.eos_token_id
    given = ids if isinstance(ids, list) else [ids]
    return sorted({token for token in (*given, tokenizer.eos_token_id) if token is not None})


def encode(tokenizer: Any, prompt: str | Sequence[Mapping[str, str]], **template: Any) -> list[int]:
    """The token ids of a text to continue or of chat messages to answer; a model without a chat template continues what they contain."""
    if not isinstance(prompt, str) and tokenizer.chat_template:
        messages = [dict(message) for message in prompt]
        return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, **template)[
            "input_ids"
        ]
    text = prompt if isinstance(prompt, str) else "\n\n".join(message["content"] for message in prompt)
    return tokenizer(text)["input_ids"]


def sample_text(
    model: Any, tokenizer: Any, prompt: str | Sequence[Mapping[str, str]], params: SamplingParams, **options: Any
) -> str:
    """`sample` one text within the model's context; empty where the prompt fills it."""
    prompts, context = [encode(tokenizer, prompt)], positions_of(model)
    return sample(model, tokenizer, prompts, [params], context=context, **options)[0].text


def sample(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    params: Sequence[SamplingParams],
    *,
    batch_size: int = 1,
    context: int | None = None,
    top_k: int | None = None,
    repetition_penalty: float = 1.0,
    streamer: Any = None,
    synced_gpus: bool = False,
) -> list[Generation]:
    """Sample one text a prompt, in batches of prompts of about the same length; a model in training goes on as it was.

    Args:
        prompts: Token ids, special tokens included.
        params: One a prompt.
        context: Positions that prompt and text may take together; default: the prompts are known to fit.
        top_k: Sample among this many tokens only.
        streamer: One of transformers', which shows the text while it is made; for a batch of one.
        synced_gpus: All processes sample the same texts at once, and none stops before the last: for sharded weights.

    Returns:
        The texts in the order of the prompts.
    """
    import torch

    ends = end_tokens(model, tokenizer)
    pad = next((t for t in (tokenizer.pad_token_id, tokenizer.eos_token_id, *ends) if t is not None), 0)
    room = [
        p.max_new_tokens if context is None else min(p.max_new_tokens, context - len(ids))
        for ids, p in zip(prompts, params, strict=True)
    ]
    made = {i: Generation("", False, 0) for i, limit in enumerate(room) if limit < 1}
    order = sorted(set(range(len(prompts))).difference(made), key=lambda i: (len(prompts[i]), room[i]))
    ours = not synced_gpus and _growing_cache(model) is not None
    # Where only a row's own positions count, padding may go beyond them; `generate` and masks of all positions (GPT-Neo) forbid it.
    columns = None if ours and getattr(model, "_can_compile_fullgraph", False) else positions_of(model)
    was_training = model.training
    model.eval()
    try:
        for rows in _batches(order, prompts, room, batch_size, columns):
            batch = _Batch([prompts[i] for i in rows], [room[i] for i in rows], ends, pad, model.device)
            draw = _Draw([params[i] for i in rows], batch, top_k, repetition_penalty)
            with torch.no_grad():
                if ours:
                    new = _decode(model, batch, draw, streamer)
                else:
                    new = _generate(model, batch, draw, streamer=streamer, synced_gpus=synced_gpus)
            for i, tokens in zip(rows, new, strict=True):
                made[i] = _generation(tokenizer, prompts[i], tokens[: room[i]], ends)
    finally:
        model.train(was_training)
    return [made[i] for i in range(len(prompts))]


def _batches(
    order: Sequence[int], prompts: Sequence[Sequence[int]], room: Sequence[int], size: int, columns: int | None
) -> Iterator[list[int]]:
    """Rows in order, at most `size` together; where a padded row would not fit into the columns, those of one length."""
    batch: list[int] = []
    for i in order:
        width, most = len(prompts[i]), max(room[j] for j in [*batch, i])
        overflows = columns is not None and batch and len(prompts[batch[0]]) < width and width + most > columns
        if len(batch) == size or overflows:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


class _Batch:
    """Prompts padded on the left: `ids` and `mask`, shape (rows, width), and how many tokens may follow each."""

    def __init__(
        self, prompts: Sequence[Sequence[int]], room: Sequence[int], ends: list[int], pad: int, device: Any
    ) -> None:
        import torch

        width = max(map(len, prompts))
        self.ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=device)
        self.mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
        self.room, self.ends, self.pad = torch.tensor(room, device=device), ends, pad
        self.padded = any(len(p) < width for p in prompts)


def _decode(model: Any, batch: _Batch, draw: _Draw, streamer: Any) -> list[list[int]]:
    """Our own loop; rows that ended are dropped."""
    import torch

    accepted = inspect.signature(getattr(model, "get_base_model", lambda: model)().forward).parameters
    options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
    cache, ids, mask, limit = _growing_cache(model), batch.ids, batch.mask, int(batch.room.max())
    every = 1 if ids.device.type == "cpu" else CHECK
    ends = torch.tensor(batch.ends, device=ids.device)
    new = ids.new_full((len(ids), limit), batch.pad)
    alive = torch.arange(len(ids), device=ids.device)
    done = torch.zeros_like(alive, dtype=torch.bool)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    if streamer is not None:
        streamer.put(ids.cpu())
    for step in range(limit):
        options |= {"position_ids": positions} if "position_ids" in accepted else {}
        options["attention_mask"] = mask if batch.padded else None
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True, **options).logits[:, -1]
        tokens = draw(logits, step)
        new[alive, step] = tokens
        if streamer is not None:
            streamer.put(tokens.cpu())
        done |= torch.isin(tokens, ends) | (batch.room[alive] <= step + 1)
        ids = tokens[:, None]
        positions = torch.where(done[:, None], 0, positions[:, -1:] + 1)  # within the model's, also of rows that ended
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1) if batch.padded else mask
        if (step + 1) % every == 0 or streamer is not None:
            finished = int(done.sum())
            if finished == len(done):
                break
            if finished * DROPPED >= len(done):
                kept = (~done).nonzero()[:, 0]
                cache.batch_select_indices(kept)
                draw.keep(kept)
                ids, positions, mask, alive, done = (x[kept] for x in (ids, positions, mask, alive, done))
    if streamer is not None:
        streamer.end()
    return new.tolist()


def _generate(model: Any, batch: _Batch, draw: _Draw, **options: Any) -> list[list[int]]:
    """The same texts by transformers' `generate`: for models with caches of their own kind, and for sharded weights."""
    from transformers import LogitsProcessor, LogitsProcessorList

    width = batch.ids.shape[1]

    class Drawn(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            chosen = draw(scores, input_ids.shape[1] - width)
            return scores.new_full(scores.shape, -float("inf")).scatter_(-1, chosen[:, None], 0.0)

    output = model.generate(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        do_sample=False,  # `draw` has chosen by then
        max_new_tokens=int(batch.room.max()),
        eos_token_id=batch.ends or None,
        pad_token_id=batch.pad,
        logits_processor=LogitsProcessorList([Drawn()]),
        use_cache=True,
        **dict.fromkeys(("max_length", "repetition_penalty", "temperature", "top_p", "top_k")),
        **options,
    )
    return output[:, width:].tolist()


def _growing_cache(model: Any) -> Any:
    """transformers' DynamicCache with room ahead, so that a token is written and not all before it copied; `None` for other kinds."""
    from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

    class GrowingLayer(DynamicLayer):
        room: Any = ()

        def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            past = self.get_seq_length()
            length = past + key_states.shape[-2]
            if not self.room or self.room[0].shape[-2] < length:
                self.is_initialized = True
                self.room = [x.new_empty(*x.shape[:2], length + AHEAD, x.shape[3]) for x in (key_states, value_states)]
                if past:
                    self.room[0][:, :, :past], self.room[1][:, :, :past] = self.keys, self.values
            self.room[0][:, :, past:length], self.room[1][:, :, past:length] = key_states, value_states
            self.keys, self.values = (x[:, :, :length] for x in self.room)
            return self.keys, self.values

        def batch_select_indices(self, indices: torch.Tensor) -> None:
            super().batch_select_indices(indices)
            self.room = ()

    if getattr(model, "_is_stateful", False) or not model._supports_default_dynamic_cache():
        return None
    cache = DynamicCache(config=model.config)
    if not all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in cache.layers):
        return None
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _generation(tokenizer: Any, prompt: Sequence[int], new: list[int], ends: Sequence[int]) -> Generation:
    length = next((i for i, token in enumerate(new) if token in ends), None)
    kept = new[:length]
    before = tokenizer.decode(prompt, skip_special_tokens=True)
    after = tokenizer.decode([*prompt, *kept], skip_special_tokens=True)
    # Decoded together, because tokenizers of the SentencePiece kind drop the space a text begins with.
    text = after[len(before) :] if after.startswith(before) else tokenizer.decode(kept, skip_special_tokens=True)
    return Generation(text, length is not None, len(kept))


class _Draw:
    """Draws the next token of each row by its own seed, temperature and top_p: the likeliest of logits / temperature - log(E), E exponential."""

    def __init__(
        self, params: Sequence[SamplingParams], batch: _Batch, top_k: int | None, repetition_penalty: float
    ) -> None:
        import torch

        device, limit = batch.ids.device, int(batch.room.max())
        draws = [random.Random(p.seed) for p in params]
        numbers = [[draw.getrandbits(32) - 2**31 for _ in range(2 * limit)] for draw in draws]
        self.keys = torch.tensor(numbers, dtype=torch.int32, device=device).view(len(params), limit, 2)
        self.temperature = torch.tensor([[p.temperature] for p in params], device=device)
        self.top_p = torch.tensor([[p.top_p] for p in params], device=device)
        self.top_k, self.penalty = top_k, repetition_penalty
        self.sorts, self.greedy = any(p.top_p < 1 for p in params), any(p.temperature == 0 for p in params)
        self.seen: torch.Tensor | None = None
        self.prompts = batch.ids, batch.mask

    def __call__(self, scores: torch.Tensor, step: int) -> torch.Tensor:
        """Token ids, shape (rows,), from logits of shape (rows, vocabulary)."""
        import torch

        scores = scores.float()
        if self.penalty != 1:  # of every token in prompt and text (Keskar et al., 2019)
            if self.seen is None:
                self.seen = torch.zeros_like(scores, dtype=torch.int64).scatter_add_(1, *self.prompts) > 0
            less = torch.where(scores > 0, scores / self.penalty, scores * self.penalty)
            scores = torch.where(self.seen, less, scores)
        logits = scores / self.temperature.clamp(min=1e-6)
        tokens = torch.arange(logits.shape[-1], dtype=torch.int32, device=logits.device)[None]
        if self.sorts or self.top_k:
            logits, order = logits.topk(min(self.top_k or logits.shape[-1], logits.shape[-1]), sorted=True)
            tokens = order.int()
        if self.sorts:  # keep the smallest set of mass top_p: what begins below it
            before = logits.softmax(-1)
            before = before.cumsum(-1) - before
            logits = logits.masked_fill(before >= self.top_p, -torch.inf)
        chosen = (logits - _log_exponentials(self.keys[:, step], tokens)).argmax(-1, keepdim=True)
        if self.sorts or self.top_k:
            chosen = tokens.gather(-1, chosen).long()
        if self.greedy:
            chosen = torch.where(self.temperature > 0, chosen, scores.argmax(-1, keepdim=True))
        if self.seen is not None:
            self.seen.scatter_(1, chosen, True)
        return chosen[:, 0]

    def keep(self, rows: torch.Tensor) -> None:
        self.keys, self.temperature, self.top_p = self.keys[rows], self.temperature[rows], self.top_p[rows]
        self.seen = None if self.seen is None else self.seen[rows]


def _log_exponentials(keys: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Logarithms of exponential random numbers, one for each (row, token), by an integer hash that is the same on all devices.

    The mixing is that of `lowbias32` (Wellons, 2018), keyed twice, on signed numbers; 31 bits make a uniform number, fine near zero,
    where the largest noise comes from.

    Args:
        keys: two random int32 numbers a row, shape (rows, 2).
        tokens: int32, shape (rows, tokens) or (1, tokens).
    """
    x = tokens * -1640531535 + keys[:, :1]
    x ^= x >> 16
    x *= 0x7FEB352D
    x ^= x >> 15
    x += keys[:, 1:]
    x *= -2073254261
    x ^= x >> 16
    x &= 0x7FFFFFFF
    uniform = x.float().add_(0.5).mul_(2.0**-31).clamp_(max=1 - 2.0**-24)
    return uniform.neg_().log1p_().neg_().log_()
