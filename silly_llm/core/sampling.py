"""Sampling texts from a causal language model of transformers: one way for provider, evaluation, training and chat.

Each text has its own random numbers, one a token, for inverse transform sampling (on a CPU also cheaper than `torch.multinomial` over a
large vocabulary). It depends on its seed, and on its batch only as far as sums round; PyTorch's random numbers stay unused.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


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
    from transformers import LogitsProcessorList

    ends = end_tokens(model, tokenizer)
    pad = next((t for t in (tokenizer.pad_token_id, tokenizer.eos_token_id, *ends) if t is not None), 0)
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), params[i].max_new_tokens))
    made: dict[int, Generation] = {}
    was_training = model.training
    model.eval()
    try:
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            width = max(len(prompts[i]) for i in rows)
            limit = max(params[i].max_new_tokens for i in rows)
            limit = limit if context is None else min(limit, context - width)
            if limit < 1:
                made |= dict.fromkeys(rows, Generation("", False, 0))
                continue
            padding = [width - len(prompts[i]) for i in rows]
            ids = [[pad] * n + list(prompts[i]) for i, n in zip(rows, padding, strict=True)]
            mask = [[0] * n + [1] * (width - n) for n in padding]
            output = model.generate(
                input_ids=torch.tensor(ids, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                do_sample=False,  # `SeededSampling` has chosen by then
                max_new_tokens=limit,
                max_length=None,
                repetition_penalty=repetition_penalty,
                eos_token_id=ends or None,
                pad_token_id=pad,
                logits_processor=LogitsProcessorList([_seeded_sampling([params[i] for i in rows], top_k)]),
                temperature=None,
                top_p=None,
                top_k=None,
                use_cache=True,
                streamer=streamer,
                synced_gpus=synced_gpus,
            )
            for i, new in zip(rows, output[:, width:].tolist(), strict=True):
                made[i] = _generation(tokenizer, prompts[i], new[: params[i].max_new_tokens], ends)
    finally:
        model.train(was_training)
    return [made[i] for i in range(len(prompts))]


def _generation(tokenizer: Any, prompt: Sequence[int], new: list[int], ends: Sequence[int]) -> Generation:
    length = next((i for i, token in enumerate(new) if token in ends), None)
    kept = new[:length]
    before = tokenizer.decode(prompt, skip_special_tokens=True)
    after = tokenizer.decode([*prompt, *kept], skip_special_tokens=True)
    # Decoded together, because tokenizers of the SentencePiece kind drop the space a text begins with.
    text = after[len(before) :] if after.startswith(before) else tokenizer.decode(kept, skip_special_tokens=True)
    return Generation(text, length is not None, len(kept))


def _seeded_sampling(params: Sequence[SamplingParams], top_k: int | None) -> Any:
    """A logits processor that draws each row's next token by that row's own seed, temperature and top_p."""
    import torch
    from transformers import LogitsProcessor

    draws = [random.Random(p.seed) for p in params]
    temperature = torch.tensor([[p.temperature] for p in params])
    top_p = torch.tensor([[p.top_p] for p in params])
    whole = top_k is None and all(p.top_p == 1 for p in params)

    class SeededSampling(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            device = scores.device
            logits, tokens = scores.float() / temperature.to(device).clamp(min=1e-6), None
            if not whole:
                logits, tokens = logits.topk(min(top_k or logits.shape[-1], logits.shape[-1]), sorted=True)
            probabilities = logits.softmax(-1)
            cumulated = probabilities.cumsum(-1)
            if tokens is not None:  # keep the smallest set of mass top_p: what begins below it
                probabilities = probabilities.masked_fill(cumulated - probabilities >= top_p.to(device), 0.0)
                cumulated = probabilities.cumsum(-1)
            uniform = torch.tensor([[draw.random()] for draw in draws], device=device, dtype=torch.float32)
            chosen = torch.searchsorted(cumulated, uniform * cumulated[:, -1:], right=True)
            chosen = chosen.clamp(max=cumulated.shape[-1] - 1)
            chosen = chosen if tokens is None else tokens.gather(-1, chosen)
            chosen = torch.where(temperature.to(device) > 0, chosen, scores.argmax(-1, keepdim=True))
            return torch.full_like(scores, -torch.inf).scatter_(-1, chosen, 0.0)

    return SeededSampling()
