"""The keys of an `evaluation.yaml` recipe. Light, so that `silly-llm evaluate --help` answers at once."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Any, ClassVar, Literal

from silly_llm.core.errors import RecipeError
from silly_llm.core.schema import at_least, key, require

DEFAULT_METRICS = ("perplexity", "completions", "instruction_following")


@dataclass
class ModelEntry:
    """One model of the list under `model`."""

    path: str = key("", "Model folder, Hub id, folder with a LoRA adapter, or GGUF file.")
    name: str = key("", "Name in tables; default: the folder's name.")
    revision: str | None = key(None, "Branch, tag or commit, for a Hub id.")
    gguf_file: str | None = key(None, "Which GGUF file of the folder or repository to load.")
    provider: str | dict[str, Any] | None = key(None, "Instead of path: an LLM provider, which answers for the model.")
    max_requests: int | None = key(None, "Ask the provider at most so often, over all runs.")
    max_tokens_total: int | None = key(None, "Stop before the provider's tokens exceed this.")
    max_cost: float | None = key(None, "Stop before spending more than this (needs provider.price_per_million).")
    group: str | None = key(None, "Models of one group are seeds of one recipe; default: those with equal recipes.")

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.provider):
            raise RecipeError("give either path or provider")
        at_least(self, max_requests=1, max_tokens_total=1)
        require(self, "max_cost", self.max_cost is None or self.max_cost > 0, "must be above 0")
        for name in ("revision", "gguf_file") if self.provider else self.LIMITS:
            require(
                self, name, getattr(self, name) is None, f"means nothing for a {'path' if self.path else 'provider'}"
            )

    LIMITS: ClassVar = ("max_requests", "max_tokens_total", "max_cost")

    @property
    def limits(self) -> dict[str, float | None]:
        """What its provider may spend."""
        return {name: getattr(self, name) for name in self.LIMITS}


@dataclass
class ReportOn:
    """Folders of the other phases that the report shows; each is optional, none changes a number."""

    vocabulary: str | None = None
    stories: str | None = None
    pretrain: str | None = None
    instructions: str | None = None
    sft: str | None = None


@dataclass(frozen=True)
class SamplingSettings:
    """How texts are sampled from a model; the same for every model of a report."""

    max_new_tokens: int = 512
    temperature: float = 0.8
    top_p: float = 1.0
    batch_size: int = 100


@dataclass
class EvaluationArguments:
    """What `silly-llm evaluate` understands."""

    model: str | dict[str, Any] | list[Any] = key(
        MISSING, "Model folder, Hub id or GGUF file, `{path, name}`, `{provider, name}`, or a list of those."
    )
    dataset: str | dict[str, Any] | list[Any] = key(
        MISSING, "Held-out stories: Hub id, path, mapping (`type:` of a data provider) or weighted list."
    )
    split: str | None = key(None, "Split to evaluate on; default: validation, else test, else the first.")
    text_column: str = key("text", "Column of the stories' text.")
    metrics: str | dict[str, Any] | list[Any] = key(
        list(DEFAULT_METRICS), "Evaluation providers: names, or mappings with `type` and options."
    )
    window: Literal["sliding", "cut"] = key(
        "sliding", "For documents longer than the context: `sliding` scores every byte, `cut` only what fits."
    )
    context: int | None = key(None, "Context length in tokens; default: the model's maximum.")
    num_documents: int | None = key(None, "Score a random sample of this many documents; default: all.")
    num_stories: int = key(200, "Number of stories to sample from each model.")
    beginning_words: int = key(3, "Number of words of a held-out story that a base model continues; 0: none.")
    max_new_tokens: int = key(512, "Maximum length of a story in tokens, within the model's context.")
    temperature: float = key(0.8, "Sampling temperature; 0 always takes the likeliest token.")
    top_p: float = key(1.0, "Nucleus sampling; 1 disables it.")
    generation_batch_size: int = key(100, "Batch size of sampling.")
    num_samples: int = key(6, "Number of stories per model that the report shows.")
    language: str | None = key(None, "Language of the texts, as a code (en, es, zh); default: detected, else en.")
    seed: int = key(42, "Seed of all random choices.")
    dtype: Literal["float32", "bfloat16", "float16"] = key("float32", "Precision of weights and activations.")
    device: str | None = key(None, "Device, such as cpu or cuda; default: an accelerator if there is one.")
    title: str | None = key(None, "Headline of the report.")
    report_on: ReportOn = key(
        ReportOn, "Folders of other phases to include: vocabulary, stories, pretrain, instructions, sft."
    )
    output_dir: str = key("", "Output folder of results.json, report.html and report.md.")

    def __post_init__(self) -> None:
        if isinstance(self.metrics, (str, dict)):
            self.metrics = [self.metrics]
        at_least(self, num_stories=1, num_documents=1, max_new_tokens=1, generation_batch_size=1, context=4)
        at_least(self, temperature=0, seed=0, beginning_words=0)
        require(self, "top_p", 0 < self.top_p <= 1, "must be between 0 and 1")
        if not self.metrics:
            raise RecipeError("metrics: name at least one")

    @property
    def sampling(self) -> SamplingSettings:
        return SamplingSettings(self.max_new_tokens, self.temperature, self.top_p, self.generation_batch_size)
