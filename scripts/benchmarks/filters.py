"""What each story filter refuses at its defaults, and how long it takes.

    python scripts/benchmarks/filters.py [--texts STORIES.jsonl] [--stories 5000] [--show NAME]
    python scripts/benchmarks/filters.py --filters '[{type: decontamination, dataset: EVALUATION.jsonl}]'

The storyteller's stories, or the `text` of a JSON Lines file, which have no requested words or features and ended by themselves.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from silly_llm.core import registry
from silly_llm.core.container import Container
from silly_llm.data.filters.base import reasons_against
from silly_llm.providers.storyteller import tell
from silly_llm.providers.storyteller.lexicon import POS, lexicon
from silly_llm.text.features import FEATURES


def told(count: int) -> list[dict[str, Any]]:
    """Rows of the storyteller."""
    draw, rows = random.Random(0), []
    for seed in range(count):
        words = {pos: [draw.choice(lexicon()[plural])] for pos, plural in POS.items()}
        features = [f for f in FEATURES if draw.random() < 0.3]
        text = tell(seed, words, features).text
        rows.append({"text": text, "words": [w for (w,) in words.values()], "features": features})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--stories", type=int, default=5_000)
    parser.add_argument("--filters", type=yaml.safe_load, help="as in a recipe; default: all, without options")
    parser.add_argument("--show", help="print up to ten stories that this filter refuses")
    options = parser.parse_args()
    if options.texts:
        lines = options.texts.read_text(encoding="utf-8").splitlines()[: options.stories]
        rows = [{"text": json.loads(line)["text"], "words": [], "features": []} for line in lines]
    else:
        rows = told(options.stories)
    for i, row in enumerate(rows):
        row |= {"id": str(i), "finish_reason": "stop"}
    words = sum(len(row["text"].split()) for row in rows) / len(rows)
    print(f"{len(rows):,} stories of {words:.0f} words\n{'':<18}{'µs/story':>9}{'refused':>9}  reasons")
    of_one_story = []
    all_filters = [name for name in registry.names("story_filter") if name != "decontamination"]
    for spec in options.filters or all_filters:
        name = registry.split_type("story_filter", spec)[0]
        story_filter = Container().build("story_filter", spec)
        began = time.process_time()
        verdicts = [reasons_against(row, [(name, story_filter)]).reasons for row in rows]
        each = 1e6 * (time.process_time() - began) / len(rows)
        of_one_story += [] if story_filter.stateful else [(name, story_filter)]
        reasons = Counter(reason.partition(": ")[2] for verdict in verdicts for reason in verdict)
        share = sum(map(bool, verdicts)) / len(rows)
        print(f"{name:<18}{each:>9.1f}{share:>9.2%}  {dict(reasons.most_common(4)) or ''}")
        if name == options.show:
            for row, _ in [pair for pair in zip(rows, verdicts, strict=True) if pair[1]][:10]:
                print(f"---\n{row['text']}")
    began = time.process_time()
    refused = sum(bool(reasons_against(row, of_one_story).reasons) for row in rows)
    each = 1e6 * (time.process_time() - began) / len(rows)
    print(f"{'all of one story':<18}{each:>9.1f}{refused / len(rows):>9.2%}  (they share the words of the story)")


if __name__ == "__main__":
    main()
