"""Languages: their codes, which one a text is in, and the base forms of their words."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable

from silly_llm.core.errors import RecipeError
from silly_llm.text.words import composed, word_spans


class Language(str):
    """The language of the texts for which components are built, as a code without script and region (`en`, `zh`)."""

    __slots__ = ()


ENGLISH = Language("en")
SHORTEST = 40
"""Letters that a text needs for its language to be detected."""
AGREED = 0.9
"""Share of the texts that must be in a language."""
LONGEST = 1_000
"""Characters of a text that are looked at."""
SIGNS = re.compile(r"[{}()\[\]<>=_;/\\|+*#@&^~$%]")
"""What programs and tables are full of, and prose is not."""


def standard(code: str) -> str:
    """A language code in its usual form: `es`, `pt-BR`, `zh-Hant`.

    Raises:
        RecipeError: it is no code of a language (BCP 47, ISO 639).
    """
    import langcodes

    try:
        if langcodes.tag_is_valid(code):
            return langcodes.standardize_tag(code)
    except langcodes.LanguageTagError:
        pass
    raise RecipeError(f"language: {code!r} is no language code such as en, es, zh or pt-BR")


def base(code: str) -> Language:
    """A code without script and region: rules for `pt` are good for `pt-BR`."""
    return Language(code.partition("-")[0].lower())


def detect_language(texts: Iterable[str]) -> str | None:
    """The language that the texts are in, where it is plain; `None` for a mixture, for programs, for few words.

    Args:
        texts: of which the first 1,000 characters each are looked at.
    """
    found: Counter[str | None] = Counter()
    for text in texts:
        text = text[:LONGEST]
        letters = sum(map(str.isalpha, text))
        # A Chinese or Korean letter counts for three Latin ones.
        if letters + sum(c > "\u2e80" for c in text) * 2 < SHORTEST:
            continue
        if len(SIGNS.findall(text)) > 0.03 * len(text) or letters < 0.5 * len(text):
            found[None] += 1
            continue
        import py3langid

        found[py3langid.classify(text)[0]] += 1
    if not found:
        return None
    language, count = found.most_common(1)[0]
    # `zxx` and `und` are no languages.
    return language if count >= AGREED * found.total() and language not in ("zxx", "und") else None


def known_forms(language: str) -> bool:
    """Whether inflected forms of the language are known; of others a word is found as it is written."""
    from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

    return _DICTIONARIES.get(language, language) in SUPPORTED_LANGUAGES


_DICTIONARIES = {"no": "nb", "hr": "hbs", "sr": "hbs", "bs": "hbs", "fil": "tl"}
"""Dictionaries under another code than the language's."""


@functools.lru_cache(maxsize=65536)
def base_forms(word: str, language: str) -> frozenset[str]:
    """A word in lower case, and the base forms that it may be a form of (`corrió`: `correr`)."""
    forms = {word.lower()}
    if known_forms(language):
        import simplemma

        code = _DICTIONARIES.get(language, language)
        forms |= {
            simplemma.lemmatize(written, lang=code).lower() for written in (word, word.lower(), word.capitalize())
        }
    return frozenset(forms)


@functools.lru_cache(maxsize=4)
def based_words(text: str, language: str) -> tuple[tuple[int, int, frozenset[str]], ...]:
    """Where each word of a (composed) text begins and ends, and its base forms."""
    return tuple((start, end, base_forms(text[start:end], language)) for start, end in word_spans(text))


def find_phrase(text: str, phrase: str, language: str) -> Iterable[tuple[int, int]]:
    """Where the words of a phrase, in any form, follow each other in a text (both composed)."""
    wanted = [forms for _, _, forms in based_words(composed(phrase), language)]
    words = based_words(text, language)
    for i in range(len(words) - len(wanted) + 1):
        here = words[i : i + len(wanted)]
        if wanted and all(not forms.isdisjoint(w[2]) for forms, w in zip(wanted, here, strict=True)):
            yield here[0][0], here[-1][1]
