"""Whether a word belongs into a small child's vocabulary, and if not, why. Light rules; every check has its reason."""

from __future__ import annotations

import functools
import json
import re
import unicodedata

from silly_llm.core.errors import RecipeError
from silly_llm.data.arguments import WordChecks
from silly_llm.data.vocabulary.lists import EMBEDDED, PARTS_OF_SPEECH
from silly_llm.text.inflection import Form, inflect
from silly_llm.text.languages import ENGLISH
from silly_llm.text.sentences import FUNCTION_WORDS

FORMAT = re.compile(r"[a-z]+")
_PROFANE = """\
    anal anus arse ass bastard bitch blowjob bollocks boner boob breasts bugger bullshit clit cock condom crap cum cunt
    damn dick dildo drug dyke erotic fag faggot fuck gangbang genital goddamn gore heroin hooker horny jerk jizz kinky
    murder naked nazi negro nigger nipple nude orgasm orgy penis piss porn prick prostitute pussy queer rape rapist retard
    scrotum semen sex sexy shag shit slut sperm suicide tit tits torture turd twat vagina wank whore"""
PROFANITY = frozenset(_PROFANE.split())
PROFANE_STEMS = (
    *("fuck", "shit", "bitch", "cunt", "whor", "slut", "porn", "nigg"),
    *("fagg", "damn", "piss", "wank", "sexu", "masturb", "genit"),
)
"""Beginnings of profane words."""
NO_NOUN = re.compile(r"(?:ously|fully|ingly|ably|ibly|ically)$")
NO_VERB = re.compile(r"(?:ness|ment|tion|sion|ship|hood|ful|ous|less|able|ible|ity|ly)$")
VERBS_ALL_THE_SAME = frozenset(
    {"apply", "bully", "fly", "rely", "reply", "supply", "mention", "question", "enable", "bless"}
)
NO_ADJECTIVE = re.compile(r"(?:ness|ment|tion|sion|ship|hood|ously|fully|ingly|ably|ibly)$")
VOWELS = re.compile(r"[aeiouy]+")


def reasons_to_refuse(word: str, pos: str, checks: WordChecks, language: str = ENGLISH) -> tuple[str, ...]:
    """Every reason against `word` as a `pos` (`noun`, `verb`, `adjective`); empty when it passes.

    Of other languages than English only letters, length and frequency are looked at.

    Raises:
        RecipeError: `min_frequency` is on and the package wordfreq is not installed.
    """
    if language != ENGLISH:
        if not all(c.isalpha() or unicodedata.category(c)[0] == "M" for c in word):
            return ("format: not one word of letters",)
    elif not FORMAT.fullmatch(word):
        return ("format: not one word of plain lower-case letters",)
    reasons = []
    if len(word) < checks.min_length:
        reasons.append(f"length: fewer than {checks.min_length} letters")
    if checks.max_length is not None and len(word) > checks.max_length:
        reasons.append(f"length: more than {checks.max_length} letters")
    if checks.max_syllables is not None and syllables(word) > checks.max_syllables:
        reasons.append(f"syllables: more than {checks.max_syllables}")
    if checks.min_frequency is not None and frequency(word, language) < checks.min_frequency:
        reasons.append(f"frequency: below {checks.min_frequency:g} on the Zipf scale")
    if checks.profanity and (word in PROFANITY or word.startswith(PROFANE_STEMS)):
        reasons.append("profanity: not for children")
    if checks.part_of_speech and (reason := wrong_part_of_speech(word, pos)):
        reasons.append(f"part of speech: {reason}")
    return tuple(reasons)


def syllables(word: str) -> int:
    """Syllables of an English word, by its groups of vowels; at most one off for nearly all words."""
    count = len(VOWELS.findall(word))
    if word.endswith("e") and not word.endswith(("le", "ee", "ye", "oe", "ue", "ie")) and count > 1:
        count -= 1  # silent, as in "cake"
    elif word.endswith("le") and len(word) > 2 and word[-3] in "aeiouy" and count > 1:
        count -= 1  # silent after a vowel, as in "whale"; spoken in "apple"
    elif word.endswith("ed") and len(word) > 3 and word[-3] not in "td" and count > 1:
        count -= 1  # "jumped", but not "wanted"
    count += len(re.findall(r"(?:ia|io(?!u)|eo|ua(?!r)|[aeo]ing$)", word)) - len(re.findall(r"[tscg]i[ao]", word))
    return max(1, count)


def frequency(word: str, language: str = ENGLISH) -> float:
    """How common a word is, on the Zipf scale (1 rare to 7 the most common), by wordfreq's list. Other languages' lists are looked up as
    they are, so that no package is needed that cuts Chinese or Japanese into words."""
    try:
        from wordfreq import freq_to_zipf, get_frequency_dict, zipf_frequency
    except ImportError:
        raise RecipeError(
            "checks.min_frequency and checks.part_of_speech need the package wordfreq: pip install wordfreq, or switch them off"
        ) from None
    if language == ENGLISH:
        return zipf_frequency(word, "en")
    found = get_frequency_dict(language).get(word)
    return freq_to_zipf(found) if found else 0.0


def wrong_part_of_speech(word: str, pos: str) -> str | None:
    """Why `word` is no `pos`, by three kinds of evidence: it is a function word, its ending, and whether English uses the
    inflections that such a word would have ("jumping" is nearly as common as "jump", "chairing" far rarer than "chair").
    """
    if word in FUNCTION_WORDS:
        return "a function word"
    known = known_parts_of_speech().get(word, frozenset())
    if pos in known:
        return None
    if pos == "verb":
        if NO_VERB.search(word) and word not in VERBS_ALL_THE_SAME:
            return "does not look like a verb"
        if word.endswith(("ing", "ed")) and base_form(word) in known_parts_of_speech():
            return "not the base form"
        return None if has_form(word, "ing", 1.7) else "has no -ing form in use"
    stem = word.removesuffix("ly")
    if stem != word and any(
        "adjective" in known_parts_of_speech().get(w, ()) for w in (stem, re.sub("i$", "y", stem))
    ):
        return "looks like an adverb"
    if pos == "noun":
        if NO_NOUN.search(word):
            return "looks like an adverb"
        # Many a good noun has no plural ("milk"), so only words known as something else need one.
        return f"known as {sorted(known)[0]}" if known and not has_form(word, "plural", 2.0) else None
    if NO_ADJECTIVE.search(word):
        return "does not look like an adjective"
    return f"known as {sorted(known)[0]}" if known and not has_form(word, "superlative", 2.5) else None


def has_form(word: str, form: Form, gap: float) -> bool:
    """Whether an inflection of `word` is in use: common enough, and not rarer than `word` by more than `gap` (Zipf)."""
    inflected = frequency(inflect(word, form))
    return inflected >= 2.0 and frequency(word) - inflected <= gap


def base_form(word: str) -> str:
    """The likeliest base form of a word in -ed or -ing that our list knows, else the word without its ending."""
    stem = re.sub(r"(?:ed|ing)$", "", word)
    known = known_parts_of_speech()
    forms = [stem, stem + "e", stem[:-1] if stem[-2:-1] == stem[-1:] else stem, re.sub("i$", "y", stem)]
    return next((form for form in forms if form in known), stem)


@functools.cache
def known_parts_of_speech() -> dict[str, frozenset[str]]:
    """The words of the embedded list, and as what it knows them."""
    content = json.loads(EMBEDDED.read_text(encoding="utf-8"))
    known: dict[str, frozenset[str]] = {}
    for pos, key in PARTS_OF_SPEECH.items():
        for word in content[key]:
            known[word] = known.get(word, frozenset()) | {pos}
    return known
