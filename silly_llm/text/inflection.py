"""Inflections of English words by spelling rules, with tables for the irregular ones (`english.json`); and search for words in texts.

The rules inflect any word, even one that no dictionary has (`blorp`: `blorped`), so that a requested word is found however it
is inflected. The price is that words that are not nouns, verbs or adjectives get meaningless forms.

Libraries that were considered: `inflect` 7.6 takes 2.6 s to import and has no past tense; `lemminflect` 0.2.3 (2022) has all
forms but needs numpy and lacks words outside its dictionary; `simplemma` only goes from form to lemma.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal, get_args

from silly_llm.text import TABLES
from silly_llm.text.languages import ENGLISH, find_phrase
from silly_llm.text.words import composed, has_unspaced, tokenize_words

Form = Literal["plural", "past", "participle", "ing", "third", "comparative", "superlative", "adverb"]
FORMS: tuple[Form, ...] = get_args(Form)
"""`past` is *went*, `participle` *gone*, `ing` *going*, `third` *goes*."""

_VERBS: dict[str, str] = TABLES["irregular_verbs"]
_COMPARED: dict[str, str] = TABLES["irregular_comparisons"]
_IRREGULAR: dict[Form, dict[str, str]] = {
    "plural": TABLES["irregular_plurals"] | {word: word for word in TABLES["always_plural"]},
    "past": {verb: forms.split()[0] for verb, forms in _VERBS.items()},
    "participle": {verb: forms.split()[-1] for verb, forms in _VERBS.items()},
    "ing": {},
    "third": {"be": "is", "have": "has"},
    "comparative": {word: forms.split()[0] for word, forms in _COMPARED.items()},
    "superlative": {word: forms.split()[1] for word, forms in _COMPARED.items()},
    "adverb": TABLES["irregular_adverbs"],
}
_ENDINGS: dict[Form, str] = {
    **{"plural": "s", "past": "ed", "participle": "ed", "ing": "ing", "third": "s"},
    **{"comparative": "er", "superlative": "est", "adverb": "ly"},
}
_ADJECTIVE_FORMS: frozenset[Form] = frozenset({"comparative", "superlative", "adverb"})
_SPELLING = {
    ending: [(re.compile(pattern), by) for pattern, by in rules]
    for ending, rules in {
        "s": [
            (r"^([^aeiou]*[aeiou])z$", r"\1zzes"),
            (r"(?<!stomach)(?:(?<=[sxz])|(?<=[cs]h))$", "es"),
            (r"(?<![aeiou])y$", "ies"),
            (r"^(go|do|undo|redo|outgo|veto)$", r"\1es"),
        ],
        "ed": [(r"e$", "ed"), (r"(?<![aeiou])y$", "ied"), (r"ic$", "icked")],
        "ing": [(r"ie$", "ying"), (r"^(be|singe|tinge)$", r"\1ing"), (r"(?<![eoy])e$", "ing"), (r"ic$", "icking")],
        "er": [(r"e$", "er"), (r"^(shy|dry|sly|wry)$", r"\1er"), (r"(?<![aeiou])y$", "ier")],
        "est": [(r"e$", "est"), (r"^(shy|dry|sly|wry)$", r"\1est"), (r"(?<![aeiou])y$", "iest")],
        "ly": [(r"(?<![aeiou])y$", "ily"), (r"(?<=[^aeiou])le$", "ly"), (r"ll$", "lly"), (r"ic$", "ically")],
    }.items()
}
"""How the end of a word changes before an ending; by default the ending is appended, in `_DOUBLING` after a doubled consonant."""
_DOUBLING = frozenset({"ed", "ing", "er", "est"})


@lru_cache(maxsize=65536)
def inflect(word: str, form: Form) -> str:
    """One form of `word` (lower case, as in a dictionary), from the table or by rule.

    Raises:
            ValueError: the form is unknown.
    """
    if form not in FORMS:
        raise ValueError(f"unknown form {form!r}; known: {', '.join(FORMS)}")
    if word in _IRREGULAR[form]:
        return _IRREGULAR[form][word]
    if form == "plural":
        if word.endswith("man") and word not in ("human", "german", "roman", "shaman", "talisman", "caiman"):
            return word[:-3] + "men"
        for tail in ("child", "foot", "tooth", "fish", "shelf", "knife", "leaf", "wife", "mouse"):
            if word.endswith(tail):
                return word.removesuffix(tail) + _IRREGULAR["plural"][tail]
    return _spell(word, _ENDINGS[form])


@lru_cache(maxsize=65536)
def word_forms(word: str) -> frozenset[str]:
    """`word` and all its inflections as noun, verb and adjective, in lower case."""
    base = word.strip().lower()
    forms = {inflect(base, form) for form in FORMS if form not in _ADJECTIVE_FORMS}
    if base not in _VERBS or base in TABLES["verbs_and_adjectives"]:
        # The adjective rules turn a noun or a verb into another word (corn: corner, ear: early).
        forms |= {inflect(base, form) for form in _ADJECTIVE_FORMS}.difference(TABLES["not_adjective_forms"])
    return frozenset({base, *forms, *TABLES["variants"].get(base, "").split()})


def includes_word(text: str, word: str, language: str = ENGLISH) -> bool:
    """Whether `text` contains `word` or an inflection of it, in any case. See `find_word`."""
    return next(find_word(text, word, language), None) is not None


def find_word(text: str, word: str, language: str = ENGLISH) -> Iterator[tuple[int, int]]:
    """The positions in `text` (in composed form, see `words.composed`) of `word` or an inflection of it, in any case.

    In English the rules above apply: a phrase (`ice cream`) is found if its last word, in any form, follows the others unchanged;
    `dog's` contains `dog`. In other languages words are compared by their base forms if `simplemma` knows them, or else
    as written. Text without spaces is searched at any position: 小狗 is found in 小狗跑得很快, but also 马 in 马上.
    Korean words are found at the beginning of a word, since particles follow: 강아지 in 강아지가.

    Args:
        language: code without script and region.
    """
    word = composed(word.strip().lower())
    if has_unspaced(word):
        matches = re.finditer(re.escape(word), composed(text), re.IGNORECASE)
        found: Iterable[tuple[int, int]] = (match.span() for match in matches)
    elif _HANGUL.search(word):
        matches = re.finditer(rf"(?<!\w){re.escape(word)}", composed(text))
        found = (match.span() for match in matches)
    elif language == ENGLISH:
        found = (match.span() for match in _pattern(word).finditer(composed(text)))
    else:
        found = find_phrase(composed(text), word, language)
    yield from found


_HANGUL = re.compile("[\uac00-\ud7a3]$")


@lru_cache(maxsize=65536)
def _pattern(word: str) -> re.Pattern[str]:
    before, _, last = word.rpartition(" ")
    forms = "|".join(map(re.escape, sorted(word_forms(last), key=lambda form: (-len(form), form))))
    start = "".join(re.escape(part) + r"\s+" for part in before.split())
    return re.compile(rf"(?<!\w){start}(?:{forms})(?!\w)", re.IGNORECASE)


@lru_cache(maxsize=65536)
def article(phrase: str) -> str:
    """`a` or `an` before `phrase`, by the sound of its first word as far as the spelling shows it."""
    first = (tokenize_words(phrase) or [""])[0].lower()
    if re.match(r"(?:hour|honest|honor|heir)", first):
        return "an"
    if re.match(r"(?:uni(?!n|m)|use|usu|uten|ukulele|eu|one(?:\b|s)|once)", first):
        return "a"
    return "an" if first.startswith(("a", "e", "i", "o", "u")) else "a"


def with_article(phrase: str) -> str:
    """`phrase` with its indefinite article."""
    return f"{article(phrase)} {phrase}"


def _spell(word: str, ending: str) -> str:
    """A word with an ending, by spelling rules."""
    for pattern, by in _SPELLING[ending]:
        if pattern.search(word):
            return pattern.sub(by, word, count=1)
    return word + (word[-1] if ending in _DOUBLING and _doubles(word) else "") + ending


def _doubles(word: str) -> bool:
    """Whether the last consonant is doubled before an ending (*stop*: *stopped*), as in a short stressed syllable."""
    if word in TABLES["doubling_verbs"] or word.endswith(("wrap", "nap")):
        return True
    if not re.search(r"(?:^|[^aeiou]|qu)[aeiouy][^aeiouwxy]$", word):
        return False
    return len(re.findall(r"[aeiouy]+", word.replace("qu", "q"))) == 1
