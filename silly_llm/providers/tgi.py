"""The provider of Text Generation Inference's own API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from silly_llm.core.errors import RunError
from silly_llm.core.registry import register
from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.server.answers import RESPONSE_FORMATS, count, mapping, read_generate
from silly_llm.providers.server.base import ServerConfig, ServerProvider
from silly_llm.providers.server.errors import RequestError, read_json
from silly_llm.providers.server.request_fields import compile_chat_template


@dataclass(frozen=True)
class TGIConfig(ServerConfig):
    """Hugging Face text-generation-inference."""

    base_url: str | list[str] | None = field(default="http://127.0.0.1:8080", repr=False)
    api: Literal["chat", "generate"] = "chat"
    """`chat`: the server forms the prompt; `generate`: TGI's own API with a prompt formed here (base models)."""
    chat_template: str | None = None
    """Jinja for `api: generate` (`messages`, `add_generation_prompt`); default: the messages' texts, a blank line between."""


@register("llm_provider", "tgi")
class TGIProvider(ServerProvider):
    """Hugging Face text-generation-inference, by its chat API or its own /generate."""

    health_path = "/health"
    chat_path = "/v1/chat/completions"
    forms: Sequence[str] = ("tgi", "openai", "prompt")

    def __init__(self, config: TGIConfig) -> None:
        super().__init__(config)
        self._template = None
        if config.api == "generate":
            self.forms = ("tgi", "prompt")
            self.parameters = {**self.parameters, "api": "generate", "chat_template": config.chat_template}
            self._template = compile_chat_template(config.chat_template)

    async def prepare(self) -> None:
        """Ask the servers' /info for their model and how many requests they take at once."""
        await super().prepare()
        for endpoint in self._pool.endpoints:
            try:
                info = mapping(read_json(await self._http.get(endpoint.url, "/info")))
                if not (self.model or info.get("model_id")):
                    raise RequestError("/info names no model; set model")
            except RequestError as error:
                if not self.model:  # what was asked of which model would be unknown
                    raise RunError(f"{endpoint.url}: {error}") from None
                continue
            self.model = self.model or str(info.get("model_id") or "")
            most = count(info.get("max_concurrent_requests"))
            if most and self.config.concurrency is None:
                endpoint.limit = endpoint.most = self._first = self._most = most

    async def _send(self, url: str, request: ChatRequest, form: str | None) -> Completion:
        if self._template is None:
            return await super()._send(url, request, form)
        sampling = request.temperature > 0
        parameters = {
            "details": True,
            "do_sample": sampling,
            "max_new_tokens": request.max_tokens,
            "temperature": request.temperature if sampling else None,
            "top_p": request.top_p if request.top_p < 1 else None,
            "seed": request.seed,
            "grammar": RESPONSE_FORMATS["tgi"](request.schema) if request.schema and form == "tgi" else None,
        }
        prompt = self._template.render(messages=request.messages, add_generation_prompt=True)
        given = {k: v for k, v in (parameters | self.config.extra_body).items() if v is not None}
        answer, headers = await self._http.post(url, "/generate", {"inputs": prompt, "parameters": given})
        return read_generate(answer, headers, self.model, request.max_tokens)

    @staticmethod
    def root(url: str) -> str:
        """TGI's own API, whichever of its addresses the recipe gives."""
        return url.removesuffix("/generate").removesuffix("/v1")
