"""The search for copied text in a training set: time and memory at full size, and beside brute force on a part.

    python scripts/benchmarks/memorization.py [--background STORIES.jsonl] [--stories 100000] [--texts 1000] [--part 300]

The training set is made of the background's sentences (the storyteller's stories, or the `text` of a JSON Lines file), drawn anew for each
story, as many as one of its stories has, and lies in a JSON Lines file that is streamed. The texts are endings of such stories, of which 5 % stand
in the training set. Brute force compares sets of word pairs and n-grams, and dynamic programming finds the longest common run; its time is that
of every text beside `--part` stories, both searches in turn, and grows in proportion to the stories.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from near_duplicates import NAMES, storyteller

from silly_llm.evaluation.originality.memorization import MemorizationConfig, covered, divided
from silly_llm.evaluation.originality.ngrams import Search
from silly_llm.evaluation.originality.training_text import TrainingText
from silly_llm.text.words import lower_words

KGRAMS = MemorizationConfig().kgrams


def brute_force(texts: Sequence[str], stories: Sequence[str]) -> list[tuple[float, int, list[int]]]:
    """Of each text the greatest ROUGE-2 precision, the longest common run, and how often each of its k-grams occurs, added up by k."""
    read = [list(lower_words(story)) for story in stories]
    known = [set(ngrams(words, 2)) for words in read]
    counts = {k: Counter(gram for words in read for gram in ngrams(words, k)) for k in KGRAMS}
    made = []
    for text in texts:
        words = list(lower_words(text))
        pairs = set(ngrams(words, 2))
        closest = max((len(pairs & theirs) for theirs in known), default=0) / max(1, len(pairs))
        longest = max((longest_run(words, theirs) for theirs in read), default=0)
        made.append((closest, longest, [sum(counts[k][gram] for gram in set(ngrams(words, k))) for k in KGRAMS]))
    return made


def ngrams(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[i:] for i in range(n)), strict=False)


def longest_run(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common run of words."""
    best, before = 0, [0] * (len(b) + 1)
    for word in a:
        row = [0] * (len(b) + 1)
        for j, other in enumerate(b, 1):
            if word == other:
                row[j] = before[j - 1] + 1
        best, before = max(best, *row), row
    return best


def ours(texts: Sequence[str], stories: Iterator[str]) -> list[tuple[float, int, list[int]]]:
    search = Search(texts, stories, KGRAMS)
    pairs = search.grams[2]
    closest = search.closest.shared / np.maximum(pairs.sizes, 1)
    sums = [search.grams[k].inside @ search.counts[k] for k in KGRAMS]
    return list(zip(closest.tolist(), search.longest.tolist(), map(list, zip(*sums, strict=True)), strict=True))


def resampled(background: Sequence[str], draw: random.Random) -> Iterator[str]:
    """Stories without end, of the background's sentences."""
    sentences = [re.split(r"(?<=[.!?])\s+", text) for text in background]
    every = [sentence for story in sentences for sentence in story]
    while True:
        yield " ".join(draw.choice(every) for _ in draw.choice(sentences))


def renamed(text: str, draw: random.Random) -> str:
    """The text with other names."""
    found = sorted(set(re.findall(r"(?<=[a-z,;] )[A-Z][a-z]+", text)))
    others = dict(zip(found, draw.sample(NAMES, len(NAMES)), strict=False))
    return re.sub(r"[A-Z][a-z]+", lambda name: others.get(name[0], name[0]), text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--background", type=Path)
    parser.add_argument("--stories", type=int, default=100_000)
    parser.add_argument("--texts", type=int, default=1_000)
    parser.add_argument("--part", type=int, default=300)
    args = parser.parse_args()
    draw = random.Random(0)
    if args.background:
        background = [json.loads(line)["text"] for line in args.background.open(encoding="utf-8")]
    else:
        background = list(storyteller(5_000))
    endless = resampled(background, draw)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "train.jsonl")
        planted: list[str] = []
        with file.open("w", encoding="utf-8") as out:
            for i, story in zip(range(args.stories), endless, strict=False):
                out.write(json.dumps({"text": story}) + "\n")
                if i % max(1, args.stories * 20 // args.texts) == 0:
                    planted.append(renamed(divided(story, 0.4)[1], draw))
        others = [divided(next(endless), 0.4)[1] for _ in range(args.texts - len(planted))]
        texts = planted + others
        training = TrainingText()
        training.add(str(file), "text")
        part = list(training.texts(args.part))
        before = peak()
        began, cpu = time.perf_counter(), time.process_time()
        search = Search(texts, training.texts(), KGRAMS)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{args.texts:,} texts of {np.mean([len(lower_words(t)) for t in texts]):.0f} words, {args.stories:,} stories of {np.mean([len(lower_words(t)) for t in part]):.0f}"
    )
    print(f"ours: {took:.1f} s ({cpu:.1f} s of processor time), peak {peak():,.0f} MB ({before:,.0f} MB before)")
    threshold = MemorizationConfig().threshold
    copies = [covered(t, s or "", "en") >= threshold for t, s in zip(texts, search.closest.stories, strict=True)]
    said, alarms = sum(copies[: len(planted)]), sum(copies[len(planted) :])
    print(f"copies with other names: {said} of {len(planted)} found; false alarms: {alarms} of {len(others)}")

    few = texts[:: max(1, len(texts) // 50)]
    seconds, same = {"brute force": 0.0, "ours": 0.0}, True
    for _ in range(2):
        results = {}
        for name, search in (("brute force", brute_force), ("ours", lambda t, s: ours(t, iter(s)))):
            began = time.process_time()
            results[name] = search(few, part)
            seconds[name] += (time.process_time() - began) / 2
        same &= results["ours"] == results["brute force"]
    whole = seconds["brute force"] * len(texts) / len(few) * args.stories / len(part)
    print(
        f"{len(few)} texts and {len(part)} stories: brute force {seconds['brute force']:.2f} s, ours {seconds['ours']:.3f} s; equal: {same}; "
        f"brute force at full size: {whole / 3600:.1f} h, {whole / cpu:,.0f} times ours"
    )


def peak() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
