"""What the measures of writing see: for each damage and measure, the share of pairs in which the original beats its damaged copy.

    python scripts/benchmarks/damaged.py [--stories FILE.jsonl] [--limit 350] [--model FOLDER] [--measures names_stay,…]

One half is chance: ties count half. Stories come from ../shared/data/tinystories/validation.jsonl where it is, else from the
storyteller. With `--model`, nats per byte under it stand beside the measures.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.writing.coherence import Coherence
from silly_llm.evaluation.metrics.writing.grammar import Grammar
from silly_llm.text.damage import DAMAGES, GRAMMAR_DAMAGES

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "tinystories" / "validation.jsonl"
UNIT = {"names_stay": 1, "things_stay": 1, "pronouns_agree": 1, "grammar_errors": -1, "nats_per_byte": -1}
"""The measures, and which way is better."""
Scorer = Callable[[Sequence[str]], list[float | None]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=Path, default=REAL)
    parser.add_argument("--limit", type=int, default=350)
    parser.add_argument("--model")
    parser.add_argument("--measures", default="names_stay,things_stay,pronouns_agree,grammar_errors")
    parser.add_argument("--damages", help="names, with commas; default: all")
    options = parser.parse_args()
    stories = read_stories(options.stories, options.limit)
    measures = scorers(options.measures.split(","), options.model)
    known = {**DAMAGES, **GRAMMAR_DAMAGES}
    asked = options.damages.split(",") if options.damages else list(known)
    rows = compare(stories, {name: known[name] for name in asked}, measures)
    print("| Damage | " + " | ".join(measures) + " |\n|---|" + "---|" * len(measures))
    for damage, cells in rows.items():
        print(f"| {damage} | " + " | ".join("–" if not n else f"{won / n:.3f} ({n})" for won, n in cells) + " |")


def read_stories(file: Path, limit: int) -> list[str]:
    """`limit` stories of a JSON Lines file, or of the storyteller where there is no such file."""
    if file.exists():
        with file.open(encoding="utf-8") as lines:
            return [json.loads(line)["text"] for line, _ in zip(lines, range(limit), strict=False)]
    from silly_llm.providers.storyteller import grammar

    print(f"{file} is not there: the storyteller's stories")
    return [grammar.tell(seed, {}, []).text for seed in range(limit)]


def scorers(names: Sequence[str], model: str | None) -> dict[str, Scorer]:
    """For each measure a function from texts to one number each, None where it says nothing of a text."""
    settings = EvaluationArguments(model="", dataset="")
    providers = {
        "names_stay": Coherence(settings),
        "things_stay": Coherence(settings),
        "pronouns_agree": Coherence(settings),
        "grammar_errors": Grammar(settings),
    }

    def scorer(name: str) -> Scorer:
        def score(texts: Sequence[str]) -> list[float | None]:
            units = providers[name].measure([str(i) for i in range(len(texts))], texts)[name].units
            scores: list[float | None] = [None] * len(texts)
            if units:
                ratios = zip(units.ids, units.numerators, units.denominators, strict=True)
                for unit, top, bottom in ratios:
                    scores[int(unit)] = top / bottom
            return scores

        return score

    made = {name: scorer(name) for name in names}
    if model:
        from silly_llm.evaluation.models.causal import LanguageModel

        loaded = LanguageModel.load(model, name="model")
        made["nats_per_byte"] = lambda texts: [score.nats / score.bytes for score in loaded.score(texts)]
    return made


def compare(stories: Sequence[str], damages: dict, measures: dict[str, Scorer]) -> dict[str, list[tuple[float, int]]]:
    """For each damage, a pair (won, pairs) a measure."""
    originals = {name: score(stories) for name, score in measures.items()}
    rows = {}
    for damage, function in damages.items():
        copies = [function(story, random.Random(f"{damage} {i}"), stories) for i, story in enumerate(stories)]
        kept = [i for i, copy in enumerate(copies) if copy is not None]
        rows[damage] = []
        for name, score in measures.items():
            scores = score([str(copies[i]) for i in kept])
            pairs = [(originals[name][i], worse) for i, worse in zip(kept, scores, strict=True)]
            known = [(UNIT[name] * a, UNIT[name] * b) for a, b in pairs if a is not None and b is not None]
            rows[damage].append((sum((a > b) + 0.5 * (a == b) for a, b in known), len(known)))
    return rows


if __name__ == "__main__":
    main()
