"""Near-copies found, and the time of it, beside datasketch's and rensa's own loops.

    python scripts/benchmarks/near_duplicates.py [--background STORIES.jsonl] [--stories 50000] [--copies 2000] [--only ours]
    python scripts/benchmarks/near_duplicates.py --scale 10000 100000 1000000

The background is the storyteller's stories, or the `text` of a JSON Lines file (as many as it has). Copies have their names changed,
two sentences swapped, and one word in thirty replaced, and stand at random places after their originals. A story that is refused
and is no planted copy counts against precision, though some backgrounds have near-copies of their own: --show prints them.
Every contestant gets the same shingles and threshold; the time is processor time a story, shingles included. Install datasketch beside the project.

--scale streams that many stories of the storyteller, every 500th with a copy, through our filter alone: time, memory, copies found.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import re
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from silly_llm.data.filters.base import Refusal
from silly_llm.data.filters.near_duplicates import NearDuplicatesConfig, NearDuplicatesFilter, shingles
from silly_llm.providers.storyteller import tell
from silly_llm.providers.storyteller.lexicon import POS, lexicon
from silly_llm.text.features import FEATURES

NAMES = ["Zed", "Quin", "Orla", "Bix", "Ulf", "Wanda", "Yara", "Xena", "Ivo", "Hedda"]
Story = dict[str, str]


def scale(sizes: list[int]) -> None:
    """Print time, memory and recall of our filter as the stories stream by."""
    draw, began_with = random.Random(1), memory()
    find = ours(NearDuplicatesConfig().threshold)
    pending: list[tuple[int, str, str]] = []
    seconds = part = planted = found = other = 0.0
    print(f"{'stories':>10}{'CPU µs':>10}{'of the last':>13}{'MB':>7}{'copies found':>14}{'other refused':>15}")
    for i, text in enumerate(storyteller(max(sizes))):
        if i % 500 == 0:
            heapq.heappush(pending, (draw.randrange(i + 1, i + max(sizes) // 2), str(i), copy_of(text, draw)))
        stories = [(str(i), text)]
        while pending and pending[0][0] <= i:
            stories.append((f"copy-{pending[0][1]}", heapq.heappop(pending)[2]))
        began = time.process_time()
        originals = [find({"id": name, "text": told}) for name, told in stories]
        took = time.process_time() - began
        seconds, part = seconds + took, part + took
        other += originals[0] is not None
        planted += len(originals) - 1
        found += sum(original is not None for original in originals[1:])
        if (i + 1) % 10_000 == 0:
            if i + 1 in sizes:
                print(
                    f"{i + 1:>10,}{1e6 * seconds / (i + 1):>10.0f}{1e6 * part / 10_000:>13.0f}{memory() - began_with:>7.0f}"
                    f"{found / max(1, planted):>14.2%}{other / (i + 1):>15.3%}",
                    flush=True,
                )
            part = 0.0


def storyteller(count: int) -> Iterator[str]:
    """Stories of the embedded teacher."""
    draw = random.Random(0)
    for seed in range(count):
        words = {pos: [draw.choice(lexicon()[plural])] for pos, plural in POS.items()}
        yield tell(seed, words, [f for f in FEATURES if draw.random() < 0.3]).text


def copy_of(text: str, draw: random.Random) -> str:
    """A near-copy: other names, two sentences swapped, one word in thirty replaced."""
    found = re.findall(r"(?<=[a-z,;] )[A-Z][a-z]+", text)
    for name, other in zip(sorted(set(found)), draw.sample(NAMES, len(NAMES)), strict=False):
        text = re.sub(rf"\b{name}\b", other, text)
    sentences = re.split(r"(?<=[.!?]) ", text)
    if len(sentences) > 3:
        i = draw.randrange(1, len(sentences) - 1)
        sentences[i - 1], sentences[i] = sentences[i], sentences[i - 1]
    words = " ".join(sentences).split(" ")
    for _ in range(len(words) // 30):
        words[draw.randrange(len(words))] = draw.choice(("very", "little", "so", "then"))
    return " ".join(words)


def corpus(background: list[str], copies: int) -> tuple[list[Story], dict[str, str]]:
    """Stories with copies planted, and the original's id by copy."""
    draw = random.Random(1)
    stories = [{"id": str(i), "text": text} for i, text in enumerate(background)]
    originals = draw.sample(range(len(stories)), copies)
    planted = {f"copy-{i}": str(i) for i in originals}
    places: dict[int, list[Story]] = {}
    for i in originals:
        copy = {"id": f"copy-{i}", "text": copy_of(background[i], draw)}
        places.setdefault(draw.randrange(i, len(stories)), []).append(copy)
    return [s for i, story in enumerate(stories) for s in (story, *places.get(i, ()))], planted


def ours(threshold: float) -> Callable[[Story], str | None]:
    """`near_duplicates`: the id of the original."""
    story_filter = NearDuplicatesFilter(NearDuplicatesConfig(threshold))

    def original(story: Story) -> str | None:
        refusal = story_filter.refuse(story)
        return refusal.duplicate_of if isinstance(refusal, Refusal) else None

    return original


def datasketch(threshold: float) -> Callable[[Story], str | None]:
    """datasketch's MinHash and MinHashLSH as its documentation uses them."""
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(threshold=threshold, num_perm=128)

    def original(story: Story) -> str | None:
        sketch = MinHash(num_perm=128)
        sketch.update_batch([shingle.encode() for shingle in shingles(story["text"])])
        if found := lsh.query(sketch):
            return found[0]
        lsh.insert(story["id"], sketch)
        return None

    return original


def rensa(threshold: float) -> Callable[[Story], str | None]:
    """rensa's RMinHashDeduplicator."""
    from rensa import RMinHash, RMinHashDeduplicator

    index = RMinHashDeduplicator(threshold=threshold, num_perm=128, use_lsh=True, num_bands=32)

    def original(story: Story) -> str | None:
        sketch = RMinHash(num_perm=128, seed=42)
        sketch.update(shingles(story["text"]))
        if found := index.get_duplicates(sketch):
            return found[0]
        index.add(story["id"], sketch)
        return None

    return original


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--background", type=Path)
    parser.add_argument("--stories", type=int, default=50_000)
    parser.add_argument("--copies", type=int, default=2_000)
    parser.add_argument("--only", nargs="+", default=["ours", "datasketch", "rensa"])
    parser.add_argument("--threshold", type=float, default=NearDuplicatesConfig().threshold)
    parser.add_argument("--show", type=int, default=0, help="print that many refused stories that were not planted")
    parser.add_argument("--scale", type=int, nargs="+", help="multiples of 10,000")
    options = parser.parse_args()
    if options.scale:
        scale(options.scale)
        return
    if options.background:
        lines = options.background.read_text(encoding="utf-8").splitlines()[: options.stories]
        background = [json.loads(line)["text"] for line in lines]
    else:
        background = list(storyteller(options.stories))
    stories, planted = corpus(background, options.copies)
    texts = {story["id"]: story["text"] for story in stories}
    print(f"{len(background):,} stories, {len(planted):,} copies, threshold {options.threshold}")
    print(f"{'':<12}{'recall':>8}{'precision':>11}{'right one':>12}{'CPU ms':>10}{'MB':>8}")
    for name in options.only:
        find = {"ours": ours, "datasketch": datasketch, "rensa": rensa}[name](options.threshold)
        before = memory()
        began = time.process_time()
        refused = {story["id"]: original for story in stories if (original := find(story)) is not None}
        seconds = time.process_time() - began
        right = [copy for copy in refused if copy in planted]
        named = sum(refused[copy] == planted[copy] for copy in right)
        print(
            f"{name:<12}{len(right) / len(planted):>8.2%}{len(right) / max(1, len(refused)):>11.2%}"
            f"{named / max(1, len(right)):>12.2%}{1000 * seconds / len(stories):>10.3f}{memory() - before:>8.0f}",
            flush=True,
        )
        for copy in [copy for copy in refused if copy not in planted][: options.show]:
            print(f"--- {copy} like {refused[copy]}\n{texts[copy]}\n···\n{texts[refused[copy]]}")


def memory() -> float:
    """Megabytes that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
