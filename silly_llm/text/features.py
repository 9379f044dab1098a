"""The six story features of the TinyStories paper (section 2), and rules that detect them in any English story.

A rule sees words, not meaning: it detects a quarrel by *argue*, *yelled at* or *give it back*, and misses one that is only
shown. A rate is therefore what rules can detect: good for comparing models on the same requests, for filtering training
data and for spotting a model that ignores its instructions, but not a verdict on a single story. docs/storyteller.md has
the rates on TinyStories.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from silly_llm.text.languages import ENGLISH
from silly_llm.text.sentences import split_sentences

DESCRIPTIONS: dict[str, str] = {
    "dialogue": "the story has at least one dialogue",
    "bad_ending": "the story has a bad ending",
    "moral_value": "the story has a moral value, a lesson that is said at the end",
    "plot_twist": "something unexpected happens: the story has a plot twist",
    "foreshadowing": "an early hint says what will happen later: the narrative uses foreshadowing",
    "conflict": "the characters have a conflict, such as a quarrel or a fight",
}
"""How a prompt describes each feature."""
FEATURES: tuple[str, ...] = tuple(DESCRIPTIONS)


def features_known(language: str) -> tuple[str, ...]:
    """The features whose rules support a language (a code without script and region): all in English, else `dialogue`."""
    return FEATURES if language == ENGLISH else ("dialogue",)


def detect_features(text: str, only: Iterable[str] = FEATURES) -> set[str]:
    """The features, out of `only`, that the rules detect in `text`; each rule is a function in this module."""
    return {name for name in only if _RULES[name](text)}


def has_dialogue(text: str) -> bool:
    """Somebody speaks: at least one quoted span of two words or more, or of one with `!`, `?`, `.` or `,` inside.

    Detects straight and curly double quotes, „…“, «…», »…«, 「…」, 『…』 and dashes at the beginning of a line; single quotes only
    around a whole sentence. Misses speech without quotes.
    """
    return _QUOTED.search(text) is not None or (not text.isascii() and _QUOTED_ELSEWHERE.search(text) is not None)


def has_bad_ending(text: str) -> bool:
    """The last three sentences have more sad words (*cried, never saw, too late*) than glad ones (*smiled, happy*).

    A negation before a word reverses it (*not happy*). Sentences of the moral do not count, since they say what is good in
    general. Misses sad events in neutral words.
    """
    sad = _outcome(text)
    return 2 * sum(sad) > len(sad)


def has_happy_ending(text: str) -> bool:
    """The last three sentences have more glad words than sad ones, counted as by `has_bad_ending`; no feature of the paper."""
    sad = _outcome(text)
    return 2 * sum(sad) < len(sad)


def _outcome(text: str) -> list[bool]:
    """Of each sad or glad word at the end of a story, whether it is sad."""
    end = split_sentences(text)[-3:]
    narrated = " ".join(s for s in end if not _MORAL.search(_plain(s))) or " ".join(end)
    return [(match.lastgroup == "sad") != bool(match["not"]) for match in _OUTCOME.finditer(_plain(narrated))]


def has_moral(text: str) -> bool:
    """A lesson in the last 40 %: *the moral is, learned a lesson, knew that it is important to, from that day on … always*.

    *Learned to swim* is a skill and does not count; *learned to share, listen, be …* does. Misses lessons that are not stated.
    """
    text = _plain(text)
    return _MORAL.search(text, _after(text, 0.6)) is not None


def has_plot_twist(text: str) -> bool:
    """The narrator marks a turn or a reveal after the first quarter: *to her surprise, it turned out, all along, unexpected*.

    *Suddenly* and *but then* do not count: half of all stories have them. Misses twists without a marker.
    """
    text = _plain(text)
    return _TWIST.search(text, _after(text, 0.25)) is not None


def has_foreshadowing(text: str) -> bool:
    """The first 60 % hints at what will happen (*little did he know, had a feeling that, would soon*), or somebody warns.

    Misses implicit hints, such as a gun on the wall.
    """
    text = _plain(text)
    return _HINT.search(text, 0, max(_after(text, 0.6), 1)) is not None


def has_conflict(text: str) -> bool:
    """Characters in conflict: one strong sign (*argued, fought, give it back*) or two weak ones (*angry, mine, pushed*).

    Misses silent conflict and conflict within one character; counts a quarrel in a song or a game.
    """
    text = _plain(text)
    return bool(_STRONG.search(text)) or len({match.group(0)[:5] for match in _WEAK.finditer(text)}) >= 2


def _plain(text: str) -> str:
    return text.replace("’", "'").lower()


def _after(text: str, share: float) -> int:
    """The position at which `share` of the text is over, moved back to the beginning of a sentence."""
    position = int(len(text) * share)
    return max(text.rfind(mark, 0, position) for mark in (". ", "! ", "? ", "\n", '" ')) + 1


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern written over several lines, whose line breaks are ignored."""
    return re.compile(pattern.replace("\n", ""))


_QUOTED = re.compile(r'"[^"\n]*\w[ ,.!?][^"\n]*"|“[^”\n]*\w[ ,.!?][^”\n]*”|(?:^|[\s(])\'\w[^\'\n]*[,.!?]\'(?:\s|$)')
# Other pairs of quotation marks around words that end or are separated; dashes.
_PAIRS = tuple(zip("“„„«»「『", "”“”»«」』", strict=True))
_QUOTED_ELSEWHERE = re.compile(
    "|".join(rf"{o}[^{c}\n]*\w[ ,.!?，。！？、…][^{c}\n]*{c}" for o, c in _PAIRS) + r"|^[—–]\s?(?:[^\W\d_a-z]|[¿¡])",
    re.MULTILINE,
)
_SAD = """sad|sadly|sadness|cried|cry|crying|tears?|wept|weep|unhappy|lonely|alone|died|dead|gone(?! on)|lost|broken|ruined|
destroyed|too late|never (?:saw|see|came|come|found|find|got|get|again|went|played|could|had|woke|spoke|forgave)|disappeared|
regretted|heartbroken|miserable|sorrow|empty|hurt|ached?|(?:could|can|did|would) not (?:save|find|fix|help|get|stop)|
couldn't (?:save|find|fix|help|get|stop)|nobody (?:came|could)|no one (?:came|could)|in vain|missed (?:it|him|her|them|his|the)|
wished (?:that )?(?:he|she|they|it) had|terrible|sick|trapped|ashamed|upset|disappointed|scared|angry"""
_GLAD = """happy|happily|happier|smiled?|smiling|laugh(?:ed|ing)?|glad|proud(?:ly)?|joy|joyful|hugged|played|gave (?:it|them|him|her) back|thanked|thankful|safe|
safely|cheered|celebrated|delighted|excited|fun|friends|loved|enjoyed|saved|grateful|relieved|better|wonderful|best|fixed"""
_OUTCOME = _compiled(
    r"(?P<not>\b(?:not|never|no longer|wasn't|weren't|didn't|isn't|nobody|without|no)\s+(?:\w+\s+)?(?:\w+\s+)?)??"
    rf"\b(?:(?P<sad>{_SAD})|(?P<glad>{_GLAD}))\b"
)
_MORAL = _compiled(
    r"""\bmoral\b|\blesson|\b(?:learn(?:ed|t|s)?|taught (?:him|her|them)|realized|understood|knew(?: now)?|remembered|remember|
know)\ (?:now )?(?:that |how important |why )(?:it (?:is|was|'s)|you (?:should|must|can|need)|we (?:should|must|can|need)|(?:s?he|they)
 (?:should|must)|sometimes|being|having|helping|sharing|telling|asking|a |an |the |good|true|real|even|everyone|everybody|no|if|when|friends?|honesty|kindness|
patience|two|small|little|things)|\b(?:learn(?:ed|t|s)?|realized|understood)\ (?:that|how important)\b|
\blearn(?:ed|t|s)?\ (?:to\ (?:always |never )?(?:be|share|listen|ask|help|tell|trust|respect|take care|think|forgive|appreciate|wait)|not\ to|never\ to|always\ to)\b|
\b(?:from|after) (?:that|this) (?:day|time|moment)(?: on| onwards?| forward)?\b[^.!?]*\b(?:always|never|promised|more careful|knew)\b|
\bpromised\b[^.!?]*\b(?:always|never|again|not to)\b|\b(?:always|never) (?:forget|remember|remembered) (?:to|that|how)\b|
\bit (?:is|was|'s) (?:always |very |so )?(?:important|better|good|best|okay|wise|not (?:good|nice|right|okay|kind)) (?:to|not to|that)\b"""
)
_TWIST = _compiled(
    r"""\bto (?:his|her|their|everyone's|everybody's|its|\w+'s) (?:\w+ )?(?:surprise|amazement|shock)\b|\bturned out\b|\ball along\b|
\bunexpected(?:ly)?\b|\b(?:nobody|no one|none of them) (?:had |could have |would have )?(?:guessed|expected|known|thought)\b|
\b(?:was|were)(?: not|n't) (?:an? |the )?(?:\w+ ){0,3}at all\b|\b(?:was|were) (?:really|actually) (?:an?|the|his|her|their|made)\b|
\bin (?:truth|fact)\b|\bsurprisingly\b|\ball this time\b|\bwhat a surprise\b|\b(?:came|was|got|had) a (?:big |great |real )?surprise\b|\bplot twist\b|
\bthe truth was\b|\bdid(?: not|n't) expect\b|\bthe strangest thing\b|\bsomething (?:very )?(?:strange|amazing|magical|incredible|surprising) happened\b|
\breveal(?:ed)? (?:that|himself|herself|itself)\b"""
)
_HINT = _compiled(
    r"""\blittle did\b[^.!?]*\bknow\b|\bdid(?: not|n't) know (?:yet\b|that\b|then\b|it yet\b|what (?:was|would)\b)|\b(?:had|got) (?:a|the) (?:\w+ ){0,2}feeling\b|
\bfelt (?:that|like|as if) something\b|\bhad no idea\b|\b(?:would|will) (?:soon|later|one day)\b|\bsomething (?:\w+ )?(?:was|is) (?:about|going) to happen\b|
\babout to (?:change|find out|learn|happen)\b|\bif only\b|\bwarn(?:ed|ing)\b|\b(?:would|will) (?:be|become|prove) (?:very )?(?:important|useful|needed)\b|
\bnobody (?:saw|noticed|thought)\b[^.!?]*\b(?:yet|then|hole|crack|cloud)\b|\bdid(?: not|n't) (?:see|notice) (?:the|that|how|a)\b|\ba sign (?:that|of)\b|
\b(?:but|and) (?:that|it) (?:was|would) not (?:last|stay)\b|\bno one knew (?:yet|that)\b|\bnobody knew (?:yet|that)\b"""
)
_STRONG = _compiled(
    r"""\bargu(?:e|ed|ing|ment)\b|\bquarrel\w*|\bfights?\b|\bfighting\b|\bfought\b|\b(?:yell|shout|scream)(?:ed|ing|s)? at (?!the (?:top|sky))|\bbull(?:y|ies|ied)\b|
\bgive (?:it|that|them|me (?:my|the)|back)\b[^.!?\n]{0,20}\bback\b|\b(?:angry|mad|cross|furious) (?:at|with)\b|\bstop it\b|\benem(?:y|ies)\b|\bit(?: is|'s) mine\b|\bthat(?: is|'s) mine\b|
\bdid(?: not|n't) want to share\b|\bwould(?: not|n't) (?:share|let (?:him|her|them|me|us))\b|\bnot (?:his|her|your) turn\b|\bstole(?:n)?\b|\bteas(?:ed|ing)\b|\bhated? (?:him|her|them|each)\b|
\b(?:was|were|be|being|are|is) (?:so |very )?mean to\b"""
)
_WEAK = _compiled(
    r"""\bangr(?:y|ily)\b|\bmean\b(?= (?:boy|girl|man|dog|cat|kid|old|witch|and|wolf|fox|words?|things))|\bmine\b|\bgrabbed\b|\bsnatched\b|\bpushed (?:him|her|them|each)\b|
\bshouted\b|\byelled\b|\brefused\b|\bunfair\b|\bnot fair\b|\bkicked (?:him|her|them)\b|\bhit (?:him|her|them)\b|\bjealous\b|\bblamed?\b|\btook it (?:away|from)\b|
\bdisagree\w*|\bselfish\b|\bno!"""
)
_RULES: dict[str, Callable[[str], bool]] = {
    "dialogue": has_dialogue,
    "bad_ending": has_bad_ending,
    "moral_value": has_moral,
    "plot_twist": has_plot_twist,
    "foreshadowing": has_foreshadowing,
    "conflict": has_conflict,
}
