"""How well a model predicts text it has not seen: bits per byte and per character, loss, perplexity, also of other text than stories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.core.registry import register
from silly_llm.data.sources import open_source
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import PREDICTING, EvaluationData, EvaluationProvider, Label, Metric, unique
from silly_llm.evaluation.metrics.statistics import Units, estimate
from silly_llm.evaluation.texts import draw, not_blank, records_of

if TYPE_CHECKING:
    from silly_llm.evaluation.models.base import DocumentScore
    from silly_llm.evaluation.models.causal import LanguageModel

BITS_PER_BYTE = Label("Bits per byte", PREDICTING, "lower is better; compares any two models", False)
BITS_PER_CHARACTER = Label("Bits per character", PREDICTING, "the same bits, by characters")
LOSS = Label("Loss per token", PREDICTING, "nats; compares models with the same tokenizer")
PERPLEXITY = Label("Perplexity", PREDICTING, "of a token: the exponential of the loss")
LOSSY = Label("Bytes that no token spells", PREDICTING, "each is charged 8 bits", percent=True)
NEVER_BEST = 0.001
"""Share of lossy bytes above which a model is not called best."""


@dataclass
class PerplexityConfig:
    """Text to score instead of the held-out stories, and how."""

    name: str = ""
    """Stands behind the names of its metrics: `bits_per_byte@wiki`; needed with `dataset`."""
    dataset: Any = None
    """Hub id, path, mapping or list; default: the held-out stories."""
    split: str | None = None
    """Default: validation, else test, else the first."""
    text_column: str = "text"
    num_documents: int | None = 1000
    """Score a random sample of this many documents of `dataset`; `null`: all."""
    window: Literal["sliding", "cut"] | None = None
    """For documents longer than the context; default: the recipe's `window`."""

    def __post_init__(self) -> None:
        if self.dataset is not None and not self.name:
            raise RecipeError("name: needed with a dataset of its own, to tell its metrics apart")
        if self.num_documents is not None and self.num_documents < 1:
            raise RecipeError(f"num_documents: must be at least 1, got {self.num_documents}")


DEFAULT = PerplexityConfig()


@register("evaluation_provider", "perplexity")
class Perplexity(EvaluationProvider):
    """Bits per byte and character, loss and perplexity of untouched text, documents apart; `dataset`: of other text than the stories.

    `bits_per_byte` compares models with different tokenizers; `loss` (nats per token of the text; end-of-text is not
    predicted) only models with the same one. Base and tuned models alike read the raw text after begin-of-text. Bytes
    that a tokenizer cannot spell are charged 8 bits each, on top of what the model pays for its tokens.
    """

    def __init__(self, settings: EvaluationArguments, config: PerplexityConfig = DEFAULT) -> None:
        self.settings, self.config = settings, config
        self.source = None if config.dataset is None else open_source(config.dataset)
        self.texts: Sequence[str] = ()
        self.about: dict[str, Any] = {}

    def inputs(self) -> list[str]:
        return self.source.inputs() if self.source else []

    def prepare(self) -> None:
        config = self.config
        if self.source is None:
            return
        try:
            records, split = records_of(self.source, config.split, config.text_column)
            records = not_blank(records, config.text_column)
        except RecipeError as error:
            raise RecipeError(f"metrics: perplexity {config.name!r}: {error}") from None
        chosen = draw(len(records), config.num_documents, f"documents {self.settings.seed}")
        self.texts = records.select(chosen)[config.text_column][:]
        self.about = {"dataset": config.dataset, "split": split, "digest": fingerprint(list(self.texts))[:16]}

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        from tqdm.auto import tqdm

        name, texts = self.config.name, self.texts or data.texts
        ids = unique(fingerprint(text)[:12] for text in texts) if self.texts else data.document_ids
        window = self.config.window or self.settings.window
        what = f"{model.name}: scoring{f' {name}' if name else ''}"
        bar = partial(tqdm, total=len(texts), desc=what, unit=" documents", disable=None)
        found = zip(ids, texts, bar(model.score(texts, window)), strict=True)
        scored = [(unit, text, score) for unit, text, score in found if score.bytes]
        if not scored:
            return {}
        whole = sum(len(text.encode("utf-8", errors="replace")) for _, text, _ in scored)
        metrics = measures([unit for unit, _, _ in scored], [score for _, _, score in scored], whole)
        metrics["bits_per_byte"].details.update(window=window, context=model.context, **self.about)
        for line in remarks(metrics["bits_per_byte"].details):
            print(f"{what.replace('scoring', 'scored')}: {line}", flush=True)
        if not name:
            return metrics
        for key, metric in list(metrics.items()):
            label = metric.label and replace(metric.label, name=f"{metric.label.name}: {name}")
            metrics[f"{key}@{name}"] = replace(metrics.pop(key), label=label)
        return metrics


def measures(ids: Sequence[str], scores: Sequence[DocumentScore], whole: int) -> dict[str, Metric]:
    """The metrics of scored documents.

    Args:
        ids: Their names.
        scores: Each of at least one byte.
        whole: Bytes of all of them, were none cut.
    """
    nats, bits = [s.nats for s in scores], [s.charged / math.log(2) for s in scores]
    tokens, sizes, lossy = ([getattr(s, key) for s in scores] for key in ("tokens", "bytes", "lossy"))
    details = {
        "documents": len(scores),
        "tokens": sum(tokens),
        "bytes": sum(sizes),
        "documents_cut": sum(s.cut for s in scores),
        "bytes_cut": whole - sum(sizes),
        "unknown_tokens": sum(s.unknown for s in scores),
        "lossy_share": sum(lossy) / sum(sizes),
        "by_position": by_position(scores),
    }
    made = {
        "bits_per_byte": estimate(Units(ids, bits, sizes), label=BITS_PER_BYTE, **details),
        "bits_per_character": estimate(Units(ids, bits, [s.characters for s in scores]), label=BITS_PER_CHARACTER),
        "lossy_bytes": estimate(Units(ids, lossy, sizes), label=LOSSY, share=any(lossy)),
    }
    if sum(tokens):
        made["loss"] = loss = estimate(Units(ids, nats, tokens), label=LOSS)
        low, high = (None if end is None else math.exp(min(end, 700)) for end in (loss.low, loss.high))
        made["perplexity"] = Metric(math.exp(min(loss.value, 700)), low, high, loss.n, label=PERPLEXITY)
    return made


def by_position(scores: Sequence[DocumentScore]) -> list[dict[str, Any]]:
    """Bits per byte, without charges, of the tokens at positions 1-8, 9-16, 17-32, … of their documents."""
    rows = []
    for bucket in range(max(len(s.curve) for s in scores)):
        nats, sizes = zip(*(s.curve[bucket] for s in scores if len(s.curve) > bucket), strict=True)
        first, last = (1, 8) if bucket == 0 else (2 ** (bucket + 2) + 1, 2 ** (bucket + 3))
        value = sum(nats) / math.log(2) / sum(sizes) if sum(sizes) else None
        rows.append({"positions": f"{first}-{last}", "bits_per_byte": value, "documents": len(sizes)})
    return rows


def remarks(details: dict[str, Any]) -> list[str]:
    """What must be known of a number of bits per byte before it is believed, in a line each."""
    lines = []
    if cut := details["documents_cut"]:
        share = details["bytes"] / (details["bytes"] + details["bytes_cut"])
        at = f"{cut:,} of {details['documents']:,} documents are cut at {details['context']} positions"
        lines.append(f"{at}, {share:.1%} of the bytes are scored; ranked only where others scored the same bytes")
    if lost := details["lossy_share"]:
        unknown = f" ({details['unknown_tokens']:,} unknown tokens)" if details["unknown_tokens"] else ""
        never = "; never called best" if lost > NEVER_BEST else ""
        lines.append(f"its tokenizer cannot spell {lost:.2%} of the bytes{unknown}, each charged 8 bits{never}")
    return lines
