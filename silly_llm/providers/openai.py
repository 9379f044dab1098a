"""The provider of every server that speaks OpenAI's API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.providers.base import ChatRequest, Completion
from silly_llm.providers.server.base import ServerProvider
from silly_llm.providers.server.config import ServerConfig
from silly_llm.providers.server.request_fields import compile_chat_template


@dataclass(frozen=True)
class OpenAIConfig(ServerConfig):
    """An OpenAI-compatible server."""

    api: Literal["chat", "completions"] = "chat"
    """`chat`: the server forms the prompt; `completions`: a prompt formed here goes to /completions (base models)."""
    chat_template: str | None = None
    """Jinja for `api: completions` (`messages`, `add_generation_prompt`); default: the texts, a blank line between."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.base_url or not self.model:
            raise RecipeError(
                "base_url and model are needed, such as http://127.0.0.1:8000/v1 and what the server serves"
            )


@register("llm_provider", "openai")
class OpenAIProvider(ServerProvider):
    """Any OpenAI-compatible server (vLLM, SGLang, llama.cpp, Ollama, transformers serve …), by chat or completions."""

    health_path = "/models"

    def __init__(self, config: OpenAIConfig) -> None:
        super().__init__(config)
        self._template = None
        if config.api == "completions":
            self.parameters = {**self.parameters, "api": config.api, "chat_template": config.chat_template}
            self._template = compile_chat_template(config.chat_template)

    async def _send(self, url: str, request: ChatRequest, form: str | None) -> Completion:
        if self._template is None:
            return await super()._send(url, request, form)
        prompt = self._template.render(messages=request.messages, add_generation_prompt=True)
        return await self._ask(url, "/completions", request, {"prompt": prompt})

    @staticmethod
    def root(url: str) -> str:
        """With /v1, unless the recipe's address has a path of its own; also from the address of the chat API itself."""
        url = url.removesuffix("/chat/completions").removesuffix("/completions")
        return url if urlsplit(url).path else url + "/v1"
