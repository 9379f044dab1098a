"""The recipe keys that go into cards. Light, for `--help`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from silly_llm.core.errors import RecipeError

LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(kw_only=True)
class CardKeys:
    """Metadata of a dataset or a model, given by its author."""

    language: str | None = field(
        default=None,
        metadata={
            "help": "Language of the texts, as a code (en, es, zh, pt-BR); default: from the data's own card, or else detected in the texts."
        },
    )
    license: str | None = field(
        default=None,
        metadata={
            "help": "License for the card, as named on the Hub (apache-2.0, cc-by-4.0, other); default: that of the data's own card, "
            "else unknown."
        },
    )
    tags: list[str] = field(default_factory=list, metadata={"help": "Additional tags for the card."})

    def check_card(self) -> None:
        """Validate language and license, and normalize the language code.

        Raises:
            RecipeError: one of them is invalid.
        """
        if self.language is not None:
            from silly_llm.text.languages import standard

            self.language = standard(self.language)
        if self.license is not None and not LICENSE.fullmatch(self.license):
            raise RecipeError(f"license: expected a name such as apache-2.0, cc-by-4.0 or other, got {self.license!r}")
