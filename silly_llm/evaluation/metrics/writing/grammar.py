"""Grammatical errors in the stories a model writes, by Harper (offline) and rules of our own.

Harper checks prose for editors: many of its rules are about style, and a few mistake children's stories for errors (*Bobo* is
no word; after *was glad* a preposition is missing). Those in `STYLE` and `MISTAKEN` do not count. They were chosen on
`train.jsonl` of TinyStories, where they fire as often in broken copies as in originals; docs/lab-log.md has the table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from silly_llm.core.registry import register
from silly_llm.evaluation.metrics.base import WRITING, Label, Metric, Units, estimate
from silly_llm.evaluation.metrics.writing.base import WritingProvider
from silly_llm.text import TABLES
from silly_llm.text.names import NAMES
from silly_llm.text.words import count_words

ERRORS = Label("Grammatical errors", WRITING, "per 100 words, by rules that find most but not all", False)
FAULTLESS = Label("Stories without an error", WRITING, "that the rules find", True, True)

STYLE = {
    "Capitalization",
    "Enhancement",
    "Formatting",
    "Punctuation",
    "Redundancy",
    "Regionalism",
    "Spelling",
    "Style",
}
"""Kinds of Harper's findings that are no grammar."""
MISTAKEN = {"CompoundNouns", "HopHope", "LetsConfusion", "MissingPreposition", "PossessiveYour", "WillNonLemma"}
MISTAKEN |= {"WrongNegative"}
"""Harper's rules that find more in real stories than there is."""
_PASTS = frozenset(form for forms in TABLES["irregular_verbs"].values() for form in forms.split()) - {"been"}
"""Harper takes some of these for the present (*he dug*)."""
_NEVER = (
    "the|an?|my|your|our|its|their|his|in|on|at|to|of|and|or|but|is|was|were|are|had|has|did|does|he|she|they|it|we|"
    "you|him|them|me|us|from|with|into|that|because|went|said|got|took|came|wanted|could|would"
)
_FIRST = r"(?:^|(?<=[.!?]\s)|(?<=\n))"
_PEOPLE = "|".join([*NAMES, "Mom", "Mommy", "Dad", "Daddy", "Grandma", "Grandpa"])
_BASES = "|".join(
    verb
    for verb, forms in TABLES["irregular_verbs"].items()
    if verb not in forms.split() and verb not in ("be", "can", "do", "have", "lie", "fall", "will")
)
_OTHER_BASES = "walk|want|look|smile|laugh|play|start|love|like|help|pick|ask|jump|try|decide|hug|thank|nod|open|live|learn|agree|need"
_PLURAL = (
    r"(?<!s)(?<!people)(?<!children)(?<!men)(?<!mice)(?<!fish)(?<!sheep)(?<!geese)(?<!police)(?<!family)(?<!they)"
)
_OWN = {
    "DeterminerBefore": rf"(?i:\b(?:the|an?|my|your|our|its|their)\s+(?:{_NEVER}))",
    "DeterminerLast": r"(?i:\b(?:the|an?|your|our|their|every)\s*[.,!?;](?![.\w]))",
    "TwoVerbs": r"\b(?:was|were|is|are)\s+(?:went|saw|took|came|said|could|would|had|did|was|were|is|are)",
    "NoVerb": r"\b(?:[Hh]e|[Ss]he|[Tt]hey|[Ww]e)\s+(?:the|an?|in|on|of|for|with|from|very|so|sad|happy|not|their|his|my)",
    "PluralVerb": rf"{_FIRST}(?:The|His|Her|My|Their|Your|One|An?)(?: (?!(?:and|of|or|in|on|with|who|that|few|lot|said)\b)[a-z'-]+)"
    rf"{{1,3}}?{_PLURAL} (?:were|are|aren't|weren't)",
    "PluralVerbOfName": rf"(?<!and )(?<!, )(?<!or )\b(?:{_PEOPLE}) (?:were|are|have|do|aren't|weren't)",
    "SingularVerb": r"\b(?:[Tt]hey|[Ww]e|[Yy]ou) (?:was|has|does|is|wasn't|isn't)",
    "BaseForm": rf"{_FIRST}(?:{_PEOPLE}) (?:{_BASES}|{_OTHER_BASES})",
}
_SMALL_WORD = re.compile(r"(?<![\w'’-])[a-z]+(?![\w'’-])")
_OWN_RULES = {name: re.compile(rf"(?<![\w'’-]){pattern}(?![\w'’-])") for name, pattern in _OWN.items()}
"""What Harper misses: *the on table*, *saw the.*, *they very sad*, *Lucy were*, *Lucy pick*; each in at most 0.4 % of real stories."""


@register("evaluation_provider", "grammar")
class Grammar(WritingProvider):
    """Grammatical errors per 100 words of the stories a model writes, by Harper without its rules of style; English only."""

    name = "grammar"

    def prepare(self) -> None:
        self._linter  # noqa: B018 - takes a second; a missing library shows before a model is loaded

    @cached_property
    def _linter(self) -> Any:
        from harper import Linter

        linter = Linter()
        linter.set_lint_config(linter.get_lint_config() | {"SpellCheck": False})  # it takes a third of the time
        return linter

    def measure(self, ids: Sequence[str], texts: Sequence[str]) -> dict[str, Metric]:
        """`grammar_errors` (per 100 words) and `without_errors` (a blank story is not without); the details list the most common errors with examples."""
        found = [self.errors(text) for text in texts]
        rules = Counter(rule for errors in found for rule, _ in errors)
        examples: dict[str, str] = {}
        for rule, example in (error for errors in found for error in errors):
            examples.setdefault(rule, example)
        common = [{"rule": r, "count": count, "example": examples[r]} for r, count in rules.most_common(10)]
        words = [count_words(text) for text in texts]
        per_100_words = Units(ids, [100 * len(errors) for errors in found], words)
        faultless = [float(count > 0 and not errors) for count, errors in zip(words, found, strict=True)]
        details: dict[str, Any] = {"errors": rules.total(), "blank": words.count(0), "most_common": common}
        return {
            "grammar_errors": estimate(per_100_words, label=ERRORS, **details),
            "without_errors": estimate(Units(ids, faultless), label=FAULTLESS, share=True),
        }

    def errors(self, text: str) -> list[tuple[str, str]]:
        """The errors in order, each as (rule, what is wrong with the words before it); of those that overlap only the first."""
        errors, last = [], 0
        for start, end, rule in sorted(self._findings(text)):
            if start >= last:
                errors.append((rule, " ".join(text[max(0, text.rfind(" ", 0, max(0, start - 12)) + 1) : end].split())))
                last = end
        return errors

    def _findings(self, text: str) -> Iterator[tuple[int, int, str]]:
        from wordfreq import zipf_frequency

        for rule, lints in self._linter.organized_lints(text, language="plaintext").items():
            for lint in lints:
                past = rule == "PronounVerbAgreement" and lint.problem_text in _PASTS
                if not past and lint.lint_kind not in STYLE and rule not in MISTAKEN:
                    yield lint.span.start, lint.span.end, rule
        for match in _SMALL_WORD.finditer(text):  # in small letters, so that no name counts
            if not zipf_frequency(match[0], "en"):
                yield *match.span(), "UnknownWord"
        for rule, pattern in _OWN_RULES.items():
            yield from ((*match.span(), rule) for match in pattern.finditer(text))
