"""What an evaluation provider may ask of a model, wherever its weights are."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from silly_llm.core.folders.provenance import fingerprint
from silly_llm.core.sampling import Generation, SamplingParams
from silly_llm.evaluation.arguments import SamplingSettings
from silly_llm.evaluation.metrics.base import NotMeasured, unique

__all__ = ["DocumentScore", "EvaluatedModel", "NotMeasured"]


@dataclass(frozen=True)
class DocumentScore:
    """How well a model predicted one document."""

    nats: float
    """Sum of the negative log-likelihoods of the scored tokens, as the model gives them."""
    tokens: int
    """All tokens of the document (begin- and end-of-text are not counted) or, where it was cut, those that fit."""
    bytes: int
    """UTF-8 bytes of the text that these tokens stand for."""
    cut: bool = False
    """Whether the rest of the document was left out."""
    unknown: int = 0
    """How many of them are the unknown token."""
    characters: int = 0
    """Of the text that these tokens stand for."""
    lossy: int = 0
    """Bytes of that text which the tokens do not spell: decoding gives something else in their place."""
    curve: tuple[tuple[float, int], ...] = ()
    """Nats and bytes of the tokens at positions 1-8, 9-16, 17-32, …"""

    @property
    def charged(self) -> float:
        """Nats with 8 bits on top for each lossy byte, which a code for bytes would need to put them right."""
        return self.nats + self.lossy * math.log(256)


class EvaluatedModel(ABC):
    """A model under a name: it generates text and, where its weights are here, scores it."""

    path = ""
    """The folder or Hub id it was loaded from, where known; its `recipe.yaml` names what it was trained on."""
    is_chat: bool
    """Whether it was tuned to answer."""
    context: int | None = None
    """Positions used for scoring and sampling, where they are known."""
    parameters: int | None = None
    """Tied embeddings count once."""
    vocabulary: int | None = None
    """Tokens that its tokenizer knows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._generated: dict[str, list[Generation]] = {}
        self.generations: list[dict[str, Any]] = []
        """Every text it wrote, as a row of `generations.parquet`."""

    @abstractmethod
    def score(self, texts: Iterable[str], window: str = "sliding") -> Iterator[DocumentScore]:
        """Score documents, in order, each by itself.

        Raises:
            NotMeasured: its weights are elsewhere.
        """

    @abstractmethod
    def sample(
        self, prompts: Sequence[Any], params: Sequence[SamplingParams], settings: SamplingSettings
    ) -> list[Generation]:
        """Sample one text a prompt, each by its own parameters."""

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
            params = [SamplingParams(int(fingerprint(turn)[:15], 16), *how) for turn in turns]
            self._generated[key] = self.sample(prompts, params, settings)
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
