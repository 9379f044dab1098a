"""The keys of an `evaluation.yaml` recipe. Light, so that `silly-llm evaluate --help` answers at once."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

from silly_llm.core.errors import RecipeError

DEFAULT_METRICS = ("perplexity", "completions", "instruction_following")


def key(said: str, default: Any = MISSING) -> Any:
    """A field with its help; without a default it must be given."""
    return field(default=default, metadata={"help": said})


@dataclass
class ModelEntry:
    """One model of the list under `model`."""

    path: str = key("Model folder or Hub id (also a folder with a LoRA adapter).")
    name: str = key("Its name in tables; default: the folder's name.", "")
    revision: str | None = key("Branch, tag or commit, for a Hub id.", None)


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
    split: str | None = key("Split to read; default: validation, else test, else the only one.", None)
    text_column: str = key("Column of the stories' text.", "text")
    metrics: str | dict[str, Any] | list[Any] = field(
        default_factory=lambda: list(DEFAULT_METRICS),
        metadata={"help": "Evaluation providers: names, or mappings with `type` and options."},
    )
    window: Literal["sliding", "cut"] = key(
        "Documents longer than the context: `sliding` scores every byte, `cut` what fits.", "sliding"
    )
    context: int | None = key("Context in tokens; default: all positions the model has.", None)
    num_documents: int | None = key("Score only this many documents, drawn by the seed; default: all.", None)
    num_stories: int = key("How many stories each model is asked for.", 200)
    beginning_words: int = key("A base model continues this many first words of a held-out story; 0: none.", 3)
    max_new_tokens: int = key("Longest story in tokens; less where the model's context ends before.", 512)
    temperature: float = key("Sampling temperature; 0 takes the likeliest token.", 0.8)
    top_p: float = key("Nucleus sampling; 1 is off.", 1.0)
    generation_batch_size: int = key("Stories sampled at once.", 100)
    num_samples: int = key("Stories of each model that the report shows.", 6)
    language: str | None = key(
        "Language of the texts, as a code (en, es, zh); default: as the texts show, else en.", None
    )
    seed: int = key("Seed of everything random.", 42)
    dtype: Literal["float32", "bfloat16", "float16"] = key("Precision of weights and computation.", "float32")
    device: str | None = key("Such as cpu or cuda; default: an accelerator if any.", None)
    title: str | None = key("Headline of the report.", None)
    report_on: ReportOn = field(
        default_factory=ReportOn,
        metadata={"help": "Folders of other phases to show: vocabulary, stories, pretrain, instructions, sft."},
    )
    output_dir: str = key("Where results.json, report.html and report.md go.", "")

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
