"""The recipe keys that go into cards. Light, for `--help`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from silly_llm.core.errors import RecipeError
from silly_llm.core.schema import key

LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(kw_only=True)
class CardKeys:
    """Metadata of a dataset or a model, given by its author."""

    language: str | None = key(
        None, "Language of the texts, as a code (en, es, zh, pt-BR); default: that of the data's card, else detected."
    )
    license: str | None = key(
        None,
        "License for the card, by its Hub identifier (apache-2.0, cc-by-4.0, other); default: that of the data's card, "
        "else unknown.",
    )
    tags: list[str] = key(list, "Additional tags for the card.")

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
