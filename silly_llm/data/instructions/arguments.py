"""The keys of an `instructions.yaml` recipe. Light, for a fast `silly-llm instruct --help`."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Any

from silly_llm.core.errors import RecipeError
from silly_llm.core.schema import at_least, key, require
from silly_llm.hub.card_keys import CardKeys


@dataclass
class InstructionArguments(CardKeys):
    """The keys of `silly-llm instruct`."""

    dataset: str | dict[str, Any] | list[Any] = key(
        MISSING, "Stories: Hub id, path, data provider (`type:` …) or weighted list; needs a `text` column."
    )
    output_dir: str = key("", "The dataset folder to write.")
    types: list[str | dict[str, Any]] | str | dict[str, Any] = key(
        ["words", "sentence", "features", "summary"],
        "Instruction types: names, or mappings with `type`, `probability` (0.5) and `phrasings`.",
    )
    provider: str | dict[str, Any] | None = key(None, "LLM provider that writes the missing summaries.")
    openers: list[str] = key(
        list, "Sentences that a request may begin with ('' for none); default: 'Write a story.' and similar."
    )
    seed: int = key(0, "Seed of all random choices, together with the story and the number of the example.")
    examples_per_story: int = key(1, "Number of different requests per training story.")
    validation_fraction: float = key(0.01, "Fraction of stories held out if the dataset has no validation split.")
    hold_out: list[str] = key(
        list,
        "Types that never occur together in train and validation, such as [words, summary]; validation "
        "stories with both become the split `held_out` (the paper's out-of-distribution test).",
    )
    push_to_hub: bool = key(False, "Publish the dataset folder when it is finished.")
    hub_dataset_id: str | None = key(None, "Where to publish it, as NAMESPACE/NAME.")
    hub_private: bool = key(False, "Publish it as a private dataset.")

    def __post_init__(self) -> None:
        self.check_card()
        if not isinstance(self.types, list):
            self.types = [self.types]
        if not self.types:
            raise RecipeError("types: name at least one instruction type")
        at_least(self, examples_per_story=1)
        require(self, "validation_fraction", 0 < self.validation_fraction < 1, "must be between 0 and 1")
        names = [t if isinstance(t, str) else t.get("type") for t in self.types]
        if missing := [name for name in self.hold_out if name not in names]:
            raise RecipeError(f"hold_out: {missing[0]!r} is not among the types {names}")
        if len(self.hold_out) == 1:
            raise RecipeError("hold_out: name at least two types; it holds out their combination")
        if self.push_to_hub and not self.hub_dataset_id:
            raise RecipeError("push_to_hub: set hub_dataset_id: NAMESPACE/NAME as the destination")
