"""Ask a provider that is built as a recipe builds it."""

from __future__ import annotations

import asyncio

from silly_llm.core.container import Container
from silly_llm.providers.base import ChatRequest


def request(seed: int = 0, text: str = 'Tell of "dog".', **more) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": text},), seed=seed, **more)


def complete(spec: dict, requests: list[ChatRequest], at_once: int = 1000) -> list:
    provider = Container().build("llm_provider", {"first_wait": 0.01, **spec})

    async def run():
        try:
            await provider.prepare()
            batches = [requests[i : i + at_once] for i in range(0, len(requests), at_once)]
            return [answer for batch in batches for answer in await provider.complete(batch)]
        finally:
            await provider.aclose()

    return asyncio.run(run())


def specs(url: str) -> dict[str, dict]:
    return {
        "openai": {"type": "openai", "base_url": url + "/v1", "model": "scripted"},
        "openai-short": {"type": "openai", "base_url": url, "model": "scripted"},
        "tgi": {"type": "tgi", "base_url": url},
        "tgi-generate": {"type": "tgi", "base_url": url, "api": "generate"},
        "hf-inference": {"type": "hf-inference", "base_url": url},
    }
