"""How easy stories are to read: how long their sentences and words are, and how many of them a child knows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import cache

from silly_llm.core.registry import register
from silly_llm.evaluation.metrics.base import WRITING, Label, Metric, Units, estimate
from silly_llm.evaluation.metrics.writing.base import WritingProvider
from silly_llm.text import EMBEDDED, TABLES
from silly_llm.text.inflection import word_forms
from silly_llm.text.names import find_names
from silly_llm.text.sentences import STOP_WORDS, split_sentences
from silly_llm.text.words import tokenize_words

SENTENCE = Label("Words per sentence", WRITING)
GRADE = Label("Reading grade", WRITING, "US school grade, by the Automated Readability Index")
CHILD = Label("Words a small child knows", WRITING, "of all words but names", None, True)


@register("evaluation_provider", "readability")
class Readability(WritingProvider):
    """Length of sentences, reading grade, and how many words a small child knows, beside the held-out stories'; English only."""

    name = "readability"

    def measure(self, ids: Sequence[str], texts: Sequence[str]) -> dict[str, Metric]:
        """`sentence_words`, `child_words` (of the embedded vocabulary in any form, or among the 1,000 most common) and `reading_grade`.

        The grade is 4.71 letters per word + 0.5 words per sentence - 21.43 (Smith and Senter, 1967), the mean over stories; below 1
        is before school. Texts without a word do not count.
        """
        kept = [(n, text, words) for n, text in zip(ids, texts, strict=True) if (words := tokenize_words(text))]
        names = [n for n, *_ in kept]
        counts = [len(words) for *_, words in kept]
        sentences = [len(split_sentences(text)) for _, text, _ in kept]
        letters = [sum(map(len, words)) for *_, words in kept]
        plain = []
        for _, text, words in kept:
            proper = find_names(text)
            plain.append([w.lower().replace("’", "'") for w in words if w.removesuffix("'s") not in proper])
        total = [len(words) for words in plain]
        unknown = Counter(word for words in plain for word in words if not child_knows(word))
        known = [sum(child_knows(word) for word in words) for words in plain]
        grades = [4.71 * x / n + 0.5 * n / s - 21.43 for x, n, s in zip(letters, counts, sentences, strict=True)]
        rest = [{"word": word, "count": count} for word, count in unknown.most_common(20)]
        return {
            "sentence_words": estimate(Units(names, counts, sentences), label=SENTENCE, blank=len(texts) - len(kept)),
            "reading_grade": estimate(Units(names, grades), label=GRADE),
            "child_words": estimate(Units(names, known, total), label=CHILD, share=True, other_words=rest),
        }


def child_knows(word: str) -> bool:
    """Whether a word in lower case is a form of one in the embedded vocabulary, one of the 1,000 most common, or what a child calls its family."""
    return all(part in _child_words() for part in word.removesuffix("'s").split("-"))


@cache
def _child_words() -> frozenset[str]:
    from wordfreq import top_n_list

    lists = json.loads(EMBEDDED.read_text(encoding="utf-8"))
    words = {form for kind in ("nouns", "verbs", "adjectives") for word in lists[kind] for form in word_forms(word)}
    words |= {f"{w}{end}" for w in STOP_WORDS for end in ("n't", "'m", "'re", "'ve", "'ll", "'d")} | {"can't", "won't"}
    words |= {word.lower() for word in TABLES["capitalized"]}
    return STOP_WORDS.union(words, top_n_list("en", 1000))
