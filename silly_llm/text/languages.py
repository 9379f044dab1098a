"""Language codes, language detection, and the base forms of words."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable

from silly_llm.core.errors import RecipeError
from silly_llm.text.words import composed, word_spans


class Language(str):
    """The language of the texts that components are built for, as a code without script and region (`en`, `zh`)."""

    __slots__ = ()


ENGLISH = Language("en")
SHORTEST = 40
"""Minimum number of letters in a text for language detection."""
AGREED = 0.9
"""Share of the texts that must be in a language."""
LONGEST = 1_000
"""Characters of a text that are examined."""
SIGNS = re.compile(r"[{}()\[\]<>=_;/\\|+*#@&^~$%]")
"""Characters that are frequent in programs and tables but not in prose."""


def standard(code: str) -> str:
    """A language code in its canonical form: `es`, `pt-BR`, `zh-Hant`.

    Raises:
            RecipeError: it is not a language code (BCP 47, ISO 639).
    """
    import langcodes

    try:
        if langcodes.tag_is_valid(code):
            return langcodes.standardize_tag(code)
    except langcodes.LanguageTagError:
        pass
    raise RecipeError(f"language: {code!r} is not a language code such as en, es, zh or pt-BR")


def base(code: str) -> Language:
    """A code without script and region: rules for `pt` also apply to `pt-BR`."""
    return Language(code.partition("-")[0].lower())


def detect_language(texts: Iterable[str]) -> str | None:
    """The language of the texts, if it is clear; `None` for mixtures, programs or too few words.

    Args:
        texts: the first 1,000 characters of each are examined.
    """
    found: Counter[str | None] = Counter()
    for text in texts:
        text = text[:LONGEST]
        letters = sum(map(str.isalpha, text))
        # A Chinese or Korean letter counts as three Latin ones.
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
    # `zxx` and `und` are not languages.
    return language if count >= AGREED * found.total() and language not in ("zxx", "und") else None


def known_forms(language: str) -> bool:
    """Whether inflected forms of the language are known; in other languages words are found only as written."""
    from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

    return _DICTIONARIES.get(language, language) in SUPPORTED_LANGUAGES


_DICTIONARIES = {"no": "nb", "hr": "hbs", "sr": "hbs", "bs": "hbs", "fil": "tl"}
"""Dictionaries under a code other than the language's."""


@functools.lru_cache(maxsize=65536)
def base_forms(word: str, language: str) -> frozenset[str]:
    """A word in lower case, and its possible base forms (`corrió`: `correr`)."""
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
    """Start and end of each word of a (composed) text, and its base forms."""
    return tuple((start, end, base_forms(text[start:end], language)) for start, end in word_spans(text))


def find_phrase(text: str, phrase: str, language: str) -> Iterable[tuple[int, int]]:
    """The positions where the words of a phrase, in any form, follow each other in a text (both composed)."""
    wanted = [forms for _, _, forms in based_words(composed(phrase), language)]
    words = based_words(text, language)
    for i in range(len(words) - len(wanted) + 1):
        here = words[i : i + len(wanted)]
        if wanted and all(not forms.isdisjoint(w[2]) for forms, w in zip(wanted, here, strict=True)):
            yield here[0][0], here[-1][1]
