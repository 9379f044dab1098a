"""The keys of an `instructions.yaml` recipe. Light, for a fast `silly-llm instruct --help`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.hub.card_keys import CardKeys


@dataclass
class InstructionArguments(CardKeys):
    """The keys of `silly-llm instruct`."""

    dataset: str | dict[str, Any] | list[Any] = field(
        metadata={
            "help": "Stories: Hub id, path, data provider (`type:` …) or weighted list; requires a `text` column."
        }
    )
    output_dir: str = field(default="", metadata={"help": "The output dataset folder."})
    types: list[str | dict[str, Any]] | str | dict[str, Any] = field(
        default_factory=lambda: list[str | dict[str, Any]](["words", "sentence", "features", "summary"]),
        metadata={"help": "Instruction types: names, or mappings with `type`, `probability` (0.5) and `phrasings`."},
    )
    provider: str | dict[str, Any] | None = field(
        default=None, metadata={"help": "LLM provider that writes summaries if the dataset has none."}
    )
    openers: list[str] = field(
        default_factory=list,
        metadata={"help": "Possible beginnings of a request ('' for none); default: 'Write a story.' and similar."},
    )
    seed: int = field(default=0, metadata={"help": "All random choices derive from (seed, story, example)."})
    examples_per_story: int = field(default=1, metadata={"help": "Number of different requests per training story."})
    validation_fraction: float = field(
        default=0.01, metadata={"help": "Share of stories held back if the dataset has no validation split."}
    )
    hold_out: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Types that never occur together in train and validation, such as [words, summary]; validation "
            "stories with all of them form the split `held_out` (the paper's out-of-distribution test)."
        },
    )
    push_to_hub: bool = field(default=False, metadata={"help": "Publish the dataset folder at the end."})
    hub_dataset_id: str | None = field(default=None, metadata={"help": "Repository to publish to, as NAMESPACE/NAME."})
    hub_private: bool = field(default=False, metadata={"help": "Publish it as a private dataset."})

    def __post_init__(self) -> None:
        self.check_card()
        if not isinstance(self.types, list):
            self.types = [self.types]
        if not self.types:
            raise RecipeError("types: name at least one instruction type")
        if self.examples_per_story < 1:
            raise RecipeError(f"examples_per_story: must be at least 1, got {self.examples_per_story}")
        if not 0 < self.validation_fraction < 1:
            raise RecipeError(f"validation_fraction: must be between 0 and 1, got {self.validation_fraction}")
        names = [t if isinstance(t, str) else t.get("type") for t in self.types]
        if missing := [name for name in self.hold_out if name not in names]:
            raise RecipeError(f"hold_out: {missing[0]!r} is not among the types {names}")
        if len(self.hold_out) == 1:
            raise RecipeError("hold_out: name at least two types; it holds out their combination")
        if self.push_to_hub and not self.hub_dataset_id:
            raise RecipeError("push_to_hub: set hub_dataset_id: NAMESPACE/NAME as the destination")
