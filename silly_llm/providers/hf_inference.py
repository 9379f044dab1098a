"""The provider of the Hugging Face Hub's Inference Providers and Endpoints, by the router's OpenAI-compatible API."""

from __future__ import annotations

from dataclasses import dataclass

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.providers.server.base import ServerProvider
from silly_llm.providers.server.config import ServerConfig

ROUTER = "https://router.huggingface.co"


@dataclass(frozen=True)
class HFInferenceConfig(ServerConfig):
    """Hugging Face Inference Providers, or an Inference Endpoint by its `base_url`."""

    provider: str | None = None
    """Which inference provider (`together`, `cerebras` …); default: the router chooses."""
    bill_to: str | None = None
    """The organisation that pays."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model and not self.base_url:
            raise RecipeError("model is needed: a Hub id, such as meta-llama/Llama-3.1-8B-Instruct")
        if self.bill_to:
            self.headers["X-HF-Bill-To"] = self.bill_to

    @property
    def urls(self) -> list[str]:
        return super().urls or [ROUTER]


@register("llm_provider", "hf-inference")
class HFInferenceProvider(ServerProvider):
    """Hugging Face Inference Providers and Inference Endpoints, with the saved login or HF_TOKEN."""

    forms = ("openai", "prompt")

    def __init__(self, config: HFInferenceConfig) -> None:
        super().__init__(config)
        if config.provider:
            self.served_model = f"{config.model}:{config.provider}"

    @staticmethod
    def root(url: str) -> str:
        """With /v1, whichever of the API's addresses the recipe gives."""
        return url.removesuffix("/chat/completions").removesuffix("/v1") + "/v1"
