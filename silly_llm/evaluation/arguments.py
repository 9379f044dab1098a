"""The keys of an `evaluation.yaml` recipe. Light, so that `silly-llm evaluate --help` answers at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from silly_llm.core.errors import RecipeError

DEFAULT_METRICS = ("perplexity", "completions", "instruction_following")


@dataclass
class ModelEntry:
    """One model of the list under `model`."""

    path: str = field(metadata={"help": "Model folder or Hub id (also a folder with a LoRA adapter)."})
    name: str = field(default="", metadata={"help": "Its name in tables; default: the folder's name."})
    revision: str | None = field(default=None, metadata={"help": "Branch, tag or commit, for a Hub id."})


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

    model: str | dict[str, Any] | list[Any] = field(
        metadata={"help": "Model folder or Hub id, `{path, name}`, or a list of those."}
    )
    dataset: str | dict[str, Any] | list[Any] = field(
        metadata={"help": "Held-out stories: Hub id, path, mapping (`type:` of a data provider) or weighted list."}
    )
    split: str | None = field(
        default=None, metadata={"help": "Split to read; default: validation, else test, else the only one."}
    )
    text_column: str = field(default="text", metadata={"help": "Column of the stories' text."})
    metrics: str | dict[str, Any] | list[Any] = field(
        default_factory=lambda: list(DEFAULT_METRICS),
        metadata={"help": "Evaluation providers: names, or mappings with `type` and options."},
    )
    window: Literal["sliding", "cut"] = field(
        default="sliding",
        metadata={"help": "Documents longer than the context: `sliding` scores every byte, `cut` what fits."},
    )
    context: int | None = field(
        default=None, metadata={"help": "Context in tokens; default: all positions the model has."}
    )
    num_documents: int | None = field(
        default=None, metadata={"help": "Score only this many documents, drawn by the seed; default: all."}
    )
    num_stories: int = field(default=200, metadata={"help": "How many stories each model is asked for."})
    beginning_words: int = field(
        default=3, metadata={"help": "A base model continues this many first words of a held-out story; 0: none."}
    )
    max_new_tokens: int = field(
        default=512, metadata={"help": "Longest story in tokens; less where the model's context ends before."}
    )
    temperature: float = field(default=0.8, metadata={"help": "Of sampling; 0 takes the likeliest token."})
    top_p: float = field(default=1.0, metadata={"help": "Nucleus sampling; 1 is off."})
    generation_batch_size: int = field(default=100, metadata={"help": "Stories sampled at once."})
    num_samples: int = field(default=6, metadata={"help": "Stories of each model that the report shows."})
    language: str | None = field(
        default=None,
        metadata={"help": "Language of the texts, as a code (en, es, zh); default: as the texts show, else en."},
    )
    seed: int = field(default=42, metadata={"help": "Everything random derives from it."})
    dtype: Literal["float32", "bfloat16", "float16"] = field(
        default="float32", metadata={"help": "Precision of weights and computation."}
    )
    device: str | None = field(default=None, metadata={"help": "Such as cpu or cuda; default: an accelerator if any."})
    title: str | None = field(default=None, metadata={"help": "Headline of the report."})
    report_on: ReportOn = field(
        default_factory=ReportOn,
        metadata={"help": "Folders of other phases to show: vocabulary, stories, pretrain, instructions, sft."},
    )
    output_dir: str = field(default="", metadata={"help": "Where results.json, report.html and report.md go."})

    def __post_init__(self) -> None:
        if isinstance(self.metrics, (str, dict)):
            self.metrics = [self.metrics]
        least = {"num_stories": 1, "max_new_tokens": 1, "generation_batch_size": 1, "context": 4, "temperature": 0}
        for key, low in least.items():
            if getattr(self, key) is not None and getattr(self, key) < low:
                raise RecipeError(f"{key}: must be at least {low}, got {getattr(self, key)}")
        if not self.metrics:
            raise RecipeError("metrics: name at least one")

    @property
    def sampling(self) -> SamplingSettings:
        return SamplingSettings(self.max_new_tokens, self.temperature, self.top_p, self.generation_batch_size)
