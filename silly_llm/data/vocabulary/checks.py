"""Checks whether a word belongs in a small child's vocabulary. Light rules; every refusal has a reason."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import defaultdict

from silly_llm.data.arguments import WordChecks
from silly_llm.data.vocabulary.lists import PARTS_OF_SPEECH, load_vocabulary
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
"""Stems of profane words."""
NO_NOUN = re.compile(r"(?:ously|fully|ingly|ably|ibly|ically)$")
NO_VERB = re.compile(r"(?:ness|ment|tion|sion|ship|hood|ful|ous|less|able|ible|ity|ly)$")
VERBS_ALL_THE_SAME = frozenset(
    {"apply", "bully", "fly", "rely", "reply", "supply", "mention", "question", "enable", "bless"}
)
NO_ADJECTIVE = re.compile(r"(?:ness|ment|tion|sion|ship|hood|ously|fully|ingly|ably|ibly)$")
VOWELS = re.compile(r"[aeiouy]+")


def reasons_to_refuse(word: str, pos: str, checks: WordChecks, language: str = ENGLISH) -> tuple[str, ...]:
    """Every reason against `word` as a `pos` (`noun`, `verb`, `adjective`); empty if it passes.

    For languages other than English only letters, length and frequency are checked.
    """
    if language == ENGLISH and not FORMAT.fullmatch(word):
        return ("format: not one word of plain lower-case letters",)
    if not all(letter.isalpha() or unicodedata.category(letter)[0] == "M" for letter in word):
        return ("format: not one word of letters",)
    c, wrong = checks, checks.part_of_speech and wrong_part_of_speech(word, pos)
    reasons = {
        f"length: fewer than {c.min_length} letters": len(word) < c.min_length,
        f"length: more than {c.max_length} letters": c.max_length is not None and len(word) > c.max_length,
        f"syllables: more than {c.max_syllables}": c.max_syllables is not None and syllables(word) > c.max_syllables,
        f"frequency: below {c.min_frequency or 0:g} on the Zipf scale": (
            c.min_frequency is not None and frequency(word, language) < c.min_frequency
        ),
        "profanity: not for children": c.profanity and (word in PROFANITY or word.startswith(PROFANE_STEMS)),
        f"part of speech: {wrong}": wrong,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def syllables(word: str) -> int:
    """Syllables of an English word, counted as groups of vowels; at most one off for nearly all words."""
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
    """The frequency of a word on the Zipf scale (1 rare to 7 most common), from wordfreq's list. In other languages the word is looked
    up unchanged, which needs no package that segments Chinese or Japanese."""
    from wordfreq import freq_to_zipf, get_frequency_dict, zipf_frequency

    if language == ENGLISH:
        return zipf_frequency(word, "en")
    found = get_frequency_dict(language).get(word)
    return freq_to_zipf(found) if found else 0.0


def wrong_part_of_speech(word: str, pos: str) -> str | None:
    """Why `word` is not a `pos`, by three kinds of evidence: it is a function word, its ending, and whether English uses the
    inflections that such a word would have ("jumping" is nearly as common as "jump", "chairing" far rarer than "chair").
    """
    known = known_parts_of_speech()
    as_others = sorted(known.get(word, ()))
    if word in FUNCTION_WORDS:
        return "a function word"
    if pos in as_others:
        return None
    if pos == "verb":
        if NO_VERB.search(word) and word not in VERBS_ALL_THE_SAME:
            return "does not look like a verb"
        if word.endswith(("ing", "ed")) and base_form(word) in known:
            return "not the base form"
        return None if has_form(word, "ing", 1.7) else "has no -ing form in use"
    stem = word.removesuffix("ly")
    adverb = stem != word and any("adjective" in known.get(w, ()) for w in (stem, re.sub("i$", "y", stem)))
    if adverb or (pos == "noun" and NO_NOUN.search(word)):
        return "looks like an adverb"
    if pos == "adjective" and NO_ADJECTIVE.search(word):
        return "does not look like an adjective"
    if not as_others:  # many good nouns have no plural ("milk"), so only words known as something else need one
        return None
    in_use = has_form(word, "plural", 2.0) if pos == "noun" else has_form(word, "superlative", 2.5)
    return None if in_use else f"known as {as_others[0]}"


def has_form(word: str, form: Form, gap: float) -> bool:
    """Whether an inflection of `word` is in use: common enough, and not rarer than `word` by more than `gap` (Zipf)."""
    inflected = frequency(inflect(word, form))
    return inflected >= 2.0 and frequency(word) - inflected <= gap


def base_form(word: str) -> str:
    """The likeliest base form of a word in -ed or -ing that is in our list, or else the word without its ending."""
    stem = re.sub(r"(?:ed|ing)$", "", word)
    forms = [stem, stem + "e", stem[:-1] if stem[-2:-1] == stem[-1:] else stem, re.sub("i$", "y", stem)]
    return next((form for form in forms if form in known_parts_of_speech()), stem)


@functools.cache
def known_parts_of_speech() -> dict[str, set[str]]:
    """The parts of speech of the words in the embedded list."""
    known: dict[str, set[str]] = defaultdict(set)
    for pos in PARTS_OF_SPEECH:
        for word in load_vocabulary().of(pos):
            known[word].add(pos)
    return dict(known)
