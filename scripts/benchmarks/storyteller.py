"""How fast the storyteller writes, and what its stories are like.

    python scripts/benchmarks/storyteller.py [--stories 10000] [--show 3] [--compare STORIES.jsonl]

Prints stories a second on one core, lengths, openings, word forms, plots, and how often the rules of
`silly_llm.text.features` see each feature, asked for and not; with --compare also in the `text` of a JSON Lines file.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from pathlib import Path

from silly_llm.providers.storyteller import tell
from silly_llm.providers.storyteller.lexicon import POS, lexicon
from silly_llm.text.features import FEATURES, detect_features
from silly_llm.text.inflection import includes_word
from silly_llm.text.words import tokenize_words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stories", type=int, default=10_000)
    parser.add_argument("--show", type=int, default=0, help="print that many stories")
    parser.add_argument("--probability", type=float, default=0.3, help="of each feature")
    parser.add_argument("--compare", type=Path, help="a JSON Lines file with a column `text`")
    arguments = parser.parse_args()

    draw = random.Random(0)
    jobs = []
    for seed in range(arguments.stories):
        words = {pos: [draw.choice(lexicon()[plural])] for pos, plural in POS.items()}
        jobs.append((seed, words, [f for f in FEATURES if draw.random() < arguments.probability]))
    start = time.perf_counter()
    stories = [tell(*job) for job in jobs]
    seconds = time.perf_counter() - start
    for story in stories[: arguments.show]:
        print(story.text, end="\n\n\n")

    texts = [story.text for story in stories]
    lengths = sorted(len(text.split()) for text in texts)
    openings = Counter(" ".join(tokenize_words(text.lower())[:5]) for text in texts)
    missing = sum(
        not includes_word(text, word)
        for text, (_, words, _) in zip(texts, jobs, strict=True)
        for (word,) in words.values()
    )
    print(f"{len(texts) / seconds:,.0f} stories/s; {len(set(texts)):,} different of {len(texts):,}")
    print(
        f"words: {lengths[0]}-{lengths[-1]}, mean {sum(lengths) / len(lengths):.0f}; asked for and missing: {missing}"
    )
    print(f"word forms: {len({w for text in texts for w in tokenize_words(text.lower())}):,}")
    print(f"openings of five words: {len(openings):,}; most common: {openings.most_common(1)}")
    print(f"once upon a time: {sum('once upon a time' in text.lower() for text in texts) / len(texts):.1%}")
    plots = Counter(story.plot for story in stories)
    print(f"plots: {len(plots)}, {plots.most_common(1)[0]} to {plots.most_common()[-1]}")
    seen = [(detect_features(text), set(job[2])) for text, job in zip(texts, jobs, strict=True)]
    for feature in FEATURES:
        asked = [feature in found for found, wanted in seen if feature in wanted]
        other = [feature in found for found, wanted in seen if feature not in wanted]
        print(f"{feature:14} asked for {_share(asked)}, not asked for {_share(other)}")
    if arguments.compare:
        lines = arguments.compare.read_text(encoding="utf-8").splitlines()
        found = Counter(f for line in lines for f in detect_features(json.loads(line)["text"]))
        print(f"{arguments.compare.name}:", ", ".join(f"{f} {found[f] / len(lines):.1%}" for f in FEATURES))


def _share(values: list[bool]) -> str:
    return f"{sum(values) / len(values):7.2%}" if values else "      -"


if __name__ == "__main__":
    main()
