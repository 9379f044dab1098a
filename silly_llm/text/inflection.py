"""Inflections of English words, known or not: tables for the irregular ones, spelling rules for the rest; and words found in texts.

Why our own: `inflect` 7.6 takes 2.6 s to import and has no past tense; `lemminflect` 0.2.3 (2022) has all forms but
needs numpy and lets go of words outside its dictionary; `simplemma` goes from form to lemma only. Simple words in
stories need little: about 150 lines, imported in a millisecond.
"""

# ruff: noqa: SIM905
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal, get_args

from silly_llm.text.languages import ENGLISH, find_phrase
from silly_llm.text.words import composed, has_unspaced, tokenize_words

Form = Literal["plural", "past", "participle", "ing", "third", "comparative", "superlative", "adverb"]
FORMS: tuple[Form, ...] = get_args(Form)
"""`past` is *went*, `participle` *gone*, `ing` *going*, `third` *goes*."""

_PLURALS = dict(
    pair.split(":")
    for pair in """
man:men woman:women child:children foot:feet tooth:teeth goose:geese mouse:mice ox:oxen louse:lice person:people
sheep:sheep deer:deer fish:fish moose:moose reindeer:reindeer series:series species:species aircraft:aircraft
leaf:leaves loaf:loaves knife:knives wife:wives life:lives wolf:wolves shelf:shelves elf:elves half:halves calf:calves
thief:thieves scarf:scarves hoof:hooves self:selves potato:potatoes tomato:tomatoes hero:heroes echo:echoes
mango:mangoes volcano:volcanoes mosquito:mosquitoes tornado:tornadoes quiz:quizzes cactus:cacti
""".split()
)
_ALWAYS_PLURAL = frozenset(
    "pants jeans shorts pajamas pyjamas glasses scissors tights overalls goggles binoculars sunglasses trousers clothes "
    "stairs thanks people".split()
)
# base:past:participle, or base:past when both are the same
_VERBS = {
    parts[0]: (parts[1], parts[-1])
    for parts in (
        entry.split(":")
        for entry in """
be:was:been have:had do:did:done go:went:gone say:said make:made take:took:taken come:came:come see:saw:seen get:got
give:gave:given find:found think:thought tell:told become:became:become leave:left feel:felt put:put bring:brought
begin:began:begun keep:kept hold:held write:wrote:written stand:stood hear:heard let:let mean:meant set:set meet:met
run:ran:run pay:paid sit:sat speak:spoke:spoken lie:lay:lain lead:led read:read grow:grew:grown lose:lost fall:fell:fallen
send:sent build:built understand:understood draw:drew:drawn break:broke:broken spend:spent cut:cut rise:rose:risen
drive:drove:driven buy:bought wear:wore:worn choose:chose:chosen seek:sought throw:threw:thrown catch:caught deal:dealt
win:won forget:forgot:forgotten lay:laid sell:sold fight:fought bear:bore:born teach:taught eat:ate:eaten sing:sang:sung
strike:struck hang:hung shake:shook:shaken ride:rode:ridden feed:fed shoot:shot drink:drank:drunk hit:hit
fly:flew:flown spread:spread sleep:slept cost:cost beat:beat:beaten light:lit bind:bound stick:stuck cling:clung
steal:stole:stolen hurt:hurt shut:shut blow:blew:blown shine:shone swim:swam:swum ring:rang:rung swing:swung sweep:swept
wake:woke:woken tear:tore:torn bite:bit:bitten hide:hid:hidden freeze:froze:frozen sink:sank:sunk dig:dug bend:bent
lend:lent spin:spun sting:stung swear:swore:sworn wind:wound creep:crept weep:wept kneel:knelt leap:leapt dream:dreamed
bleed:bled breed:bred flee:fled slide:slid split:split burst:burst cast:cast quit:quit rid:rid bet:bet shed:shed
shrink:shrank:shrunk spring:sprang:sprung stink:stank:stunk forgive:forgave:forgiven know:knew:known show:showed:shown
sew:sewed:sewn weave:wove:woven grind:ground mow:mowed:mown slay:slew:slain tread:trod:trodden sow:sowed:sown
swell:swelled:swollen foretell:foretold awake:awoke:awoken arise:arose:arisen overcome:overcame:overcome
withdraw:withdrew:withdrawn fling:flung sling:slung string:strung wring:wrung bid:bid knit:knit rebuild:rebuilt
must:must can:could will:would may:might shall:should
""".split()
    )
}
# Other past forms in use; `word_forms` accepts them.
_VARIANTS: dict[str, tuple[str, ...]] = {
    "be": ("am", "is", "are", "were"), "burn": ("burnt",), "dream": ("dreamt",), "get": ("gotten",), "kneel": ("kneeled",),
    "leap": ("leaped",), "learn": ("learnt",), "light": ("lighted",), "knit": ("knitted",), "shine": ("shined",),
    "sneak": ("snuck",), "spell": ("spelt",), "spill": ("spilt",), "dive": ("dove",), "smell": ("smelt",),
    "quiz": ("quizzes",), "wake": ("waked",), "lie": ("lied",), "hang": ("hanged",), "travel": ("travelled", "travelling"), "lean": ("leant",),
    "color": ("colour", "colours", "coloured", "colouring"), "mow": ("mowed",), "sew": ("sewed",), "show": ("showed",),
    "cozy": ("cosy",), "gray": ("grey",),
}  # fmt: skip
_COMPARED = {
    "good": ("better", "best"), "bad": ("worse", "worst"), "far": ("farther", "farthest"),
    "little": ("littler", "littlest"), "much": ("more", "most"), "many": ("more", "most"), "ill": ("worse", "worst"),
}  # fmt: skip
_ADVERBS = {
    "good": "well", "fast": "fast", "hard": "hard", "whole": "wholly", "true": "truly", "shy": "shyly", "dry": "dryly",
    "early": "early", "friendly": "friendly", "lovely": "lovely"}  # fmt: skip
_DOUBLE = frozenset(
    "begin forget regret admit permit commit refer prefer occur control unzip equip upset reset kidnap zigzag".split()
)
_VOWELS = "aeiou"
_ADJECTIVE_FORMS: frozenset[Form] = frozenset({"comparative", "superlative", "adverb"})
_VERBS_AND_ADJECTIVES = frozenset("light mean hurt hit lay wound rid may".split())
# What the rules for adjectives would make of a noun or a verb (corn: corner, ear: early) is another word.
_OTHER_WORDS = frozenset(
    """corner early shower flower tower letter butter batter matter dinner number offer forest only hammer ladder pepper
supper latter bitter litter butler center counter cracker planter sweater water winter summer river tiger finger sister
brother timber member chapter poster feather weather leather rather father mother whether meter corker harvest honest
farmer painter helper singer dancer baker driver player worker teacher reader writer rider runner jumper hunter gardener
builder farmer keeper maker speaker swimmer walker camper hiker skater skier planner printer ranger cleaner dryer washer
cooker toaster boiler heater marker folder holder stapler sticker slipper zipper mixer blender roller scooter stroller
loader fisher waiter banker jailer trainer racer winner loser owner user wrapper chopper copper stopper topper popper
family belly jelly rely reply ally holly chilly bully hardly lately nearly homely lovely friendly lively timely
daily weekly monthly yearly fly ply crest quest guest chest nest request arrest interest""".split()
)


@lru_cache(maxsize=65536)
def inflect(word: str, form: Form) -> str:
    """One form of `word` (lower case, as in a dictionary), by table or by rule.

    Raises:
        ValueError: unknown form.
    """
    if form == "plural":
        return _plural(word)
    if form == "past":
        return _VERBS[word][0] if word in _VERBS else _ed(word)
    if form == "participle":
        return _VERBS[word][1] if word in _VERBS else _ed(word)
    if form == "ing":
        return _ing(word)
    if form == "third":
        return {"be": "is", "have": "has"}.get(word) or _s(word)
    if form == "comparative":
        return _COMPARED[word][0] if word in _COMPARED else _er(word) + "er"
    if form == "superlative":
        return _COMPARED[word][1] if word in _COMPARED else _er(word) + "est"
    if form == "adverb":
        return _adverb(word)
    raise ValueError(f"unknown form {form!r}; known: {', '.join(FORMS)}")


@lru_cache(maxsize=65536)
def word_forms(word: str) -> frozenset[str]:
    """`word` and all its inflections as noun, verb and adjective, in lower case."""
    base = word.strip().lower()
    forms = {inflect(base, form) for form in FORMS if form not in _ADJECTIVE_FORMS}
    if base not in _VERBS or base in _VERBS_AND_ADJECTIVES:
        forms |= {inflect(base, form) for form in _ADJECTIVE_FORMS} - _OTHER_WORDS
    return frozenset({base, *forms, *_VARIANTS.get(base, ())})


def includes_word(text: str, word: str, language: str = ENGLISH) -> bool:
    """Does `text` contain `word` or an inflection of it, in any case? See `find_word`."""
    return next(find_word(text, word, language), None) is not None


def find_word(text: str, word: str, language: str = ENGLISH) -> Iterator[tuple[int, int]]:
    """Where `text` (in composed form, see `words.composed`) has `word` or an inflection of it, in any case.

    In English by the rules above: a phrase (`ice cream`) is found when its last word, in any form, follows the others as they
    are; `dog's` holds `dog`. In other languages words are compared by their base forms, as far as `simplemma` knows them, else
    as they are written. What is written without spaces is found wherever it stands: 小狗 in 小狗跑得很快, but also 马 in 马上.
    Korean words are found where a word begins, for particles follow: 강아지 in 강아지가.

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
    """`a` or `an` before `phrase`, by the sound of its first word as far as spelling tells."""
    first = (tokenize_words(phrase) or [""])[0].lower()
    if re.match(r"(?:hour|honest|honor|heir)", first):
        return "an"
    if re.match(r"(?:uni(?!n|m)|use|usu|uten|ukulele|eu|one(?:\b|s)|once)", first):
        return "a"
    return "an" if first[:1] in tuple(_VOWELS) else "a"


def with_article(phrase: str) -> str:
    """`phrase` with its indefinite article."""
    return f"{article(phrase)} {phrase}"


def _plural(word: str) -> str:
    if word in _ALWAYS_PLURAL:
        return word
    if word in _PLURALS:
        return _PLURALS[word]
    if word.endswith("man") and word not in ("human", "german", "roman", "shaman", "talisman", "caiman"):
        return word[:-3] + "men"
    for tail in ("child", "foot", "tooth", "fish", "shelf", "knife", "leaf", "wife", "mouse"):
        if word.endswith(tail):
            return word[: -len(tail)] + _PLURALS[tail]
    return _s(word)


def _s(word: str) -> str:
    if re.search(r"(?:s|x|z|ch|sh)$", word) and not word.endswith("stomach"):
        return word + ("zes" if re.fullmatch(r"[^aeiou]*[aeiou]z", word) else "es")
    if word.endswith("y") and word[-2:-1] not in tuple(_VOWELS):
        return word[:-1] + "ies"
    return word + ("es" if word in ("go", "do", "undo", "redo", "outgo", "veto") else "s")


def _doubles(word: str) -> bool:
    if word in _DOUBLE or word.endswith(("wrap", "nap")):
        return True
    if not re.search(r"(?:^|[^aeiou]|qu)[aeiouy][^aeiouwxy]$", word):
        return False
    return len(re.findall(r"[aeiouy]+", word.replace("qu", "q"))) == 1


def _ed(word: str) -> str:
    if word.endswith("e"):
        return word + "d"
    if word.endswith("y") and word[-2:-1] not in tuple(_VOWELS):
        return word[:-1] + "ied"
    if word.endswith("ic"):
        return word + "ked"
    return word + (word[-1] if _doubles(word) else "") + "ed"


def _ing(word: str) -> str:
    if word.endswith("ie"):
        return word[:-2] + "ying"
    if word.endswith("e") and not re.search(r"(?:ee|oe|ye)$", word) and word not in ("be", "singe", "tinge"):
        return word[:-1] + "ing"
    if word.endswith("ic"):
        return word + "king"
    return word + (word[-1] if _doubles(word) else "") + "ing"


def _er(word: str) -> str:
    if word.endswith("e"):
        return word[:-1]
    if word.endswith("y") and word[-2:-1] not in tuple(_VOWELS) and word not in ("shy", "dry", "sly", "wry"):
        return word[:-1] + "i"
    return word + (word[-1] if _doubles(word) else "")


def _adverb(word: str) -> str:
    if word in _ADVERBS:
        return _ADVERBS[word]
    if word.endswith("y") and word[-2:-1] not in tuple(_VOWELS):
        return word[:-1] + "ily"
    if re.search(r"[^aeiou]le$", word):
        return word[:-1] + "y"
    if word.endswith("ll"):
        return word + "y"
    if word.endswith("ic"):
        return word + "ally"
    return word + "ly"
