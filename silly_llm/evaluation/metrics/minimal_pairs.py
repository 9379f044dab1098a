"""Minimal pairs: whether a model finds the right one of two texts likelier than the wrong one.

Each text is scored by itself, as one document after begin-of-text and with no space before it: that is how training texts begin for our
byte-level BPE and for SentencePiece alike, which brings its own (docs/lab-log.md has the measurement). The lower sum of
negative log-likelihoods wins; where a model cannot tell, it gets one half, so that a constant model has exactly 0.5.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from silly_llm.core.errors import RecipeError, suggestion
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.core.lookup import home
from silly_llm.core.registry import register
from silly_llm.core.schema import at_least
from silly_llm.data.sources import EVALUATION_SPLITS, load_records
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import KNOWING, EvaluationData, EvaluationProvider, Label, Metric, unique
from silly_llm.evaluation.metrics.statistics import FEW, Units, estimate
from silly_llm.evaluation.suites.pairs import FOLDER, SUITES, Pair, read_rows, read_suite

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import DocumentScore, LanguageModel

BLIMP = {"path": "nyu-mll/blimp", "data_files": "*/train-*.parquet"}
"""All 67 paradigms at once (Warstadt et al., 2020, arXiv 1912.00582)."""
SAME = {"float32": 2e-6, "bfloat16": 1e-4, "float16": 1e-4}
"""Likelihoods that differ by less than this part of them are the same: in another batch, sums round in another way."""


@dataclass
class MinimalPairsConfig:
    suite: str | None = None
    """`factual`, `reasoning`, `context_tracking` or `world_knowledge`, which come with the package, or `blimp` from the Hub."""
    dataset: Any = None
    """Instead: a folder or file of rows, a Hub id, a mapping, or a suite in YAML like ours. BLiMP's and EWoK's columns are known."""
    split: str | None = None
    """Split of the dataset; default: validation, else test, else train."""
    name: str | None = None
    """What metrics are called; default: the suite, or the dataset's last name."""
    good: str = "sentence_good"
    """Column of the right text."""
    bad: str = "sentence_bad"
    paradigm: str = "UID"
    """Column with the kind of pair; the suite's score is the mean of those of its paradigms."""
    field: str = "field"
    """Column with a group of paradigms, which gets a metric of its own."""
    limit: int | None = None
    """Only the first so many pairs of each paradigm; it becomes part of the metric's name."""

    def __post_init__(self) -> None:
        at_least(self, limit=1)
        if (self.suite is None) == (self.dataset is None):
            raise RecipeError(f"name one of suite ({', '.join((*SUITES, 'blimp'))}) and dataset")
        if self.suite not in (None, "blimp", *SUITES):
            raise RecipeError(f"suite: unknown {self.suite!r}{suggestion(str(self.suite), (*SUITES, 'blimp'))}")
        columns = ("split", "good", "bad", "paradigm", "field")
        if self.suite and (given := [key for key in columns if getattr(self, key) != getattr(type(self), key)]):
            raise RecipeError(f"{given[0]}: is for a dataset of one's own; the suite {self.suite} has its own columns")

    @property
    def title(self) -> str:
        """The name of the suite."""
        source = self.dataset.get("path") if isinstance(self.dataset, dict) else self.dataset
        return self.name or self.suite or (Path(source).resolve().stem if isinstance(source, str) else "pairs")

    @property
    def key(self) -> str:
        """The name of its metric, with everything that makes it another measure."""
        return self.title + (f"[:{self.limit}]" if self.limit else "")


@register("evaluation_provider", "minimal_pairs")
class MinimalPairs(EvaluationProvider):
    """How often a model finds the right one of two nearly equal texts likelier; a tie counts one half.

    The suite's metric and those of its fields are means over paradigms, with intervals clustered by paradigm where there are at
    least ten, else by item. `details` has each paradigm.
    """

    def __init__(self, config: MinimalPairsConfig, settings: EvaluationArguments) -> None:
        self.config, self.same = config, SAME[settings.dtype]
        self.pairs: list[Pair] = []

    def prepare(self) -> None:
        """Read the pairs; a RecipeError where there are none."""
        config = self.config
        if config.suite in SUITES:
            pairs = read_suite(FOLDER / f"{config.suite}.yaml")
        elif isinstance(config.dataset, str) and config.dataset.endswith((".yaml", ".yml")):
            pairs = read_suite(home(config.dataset))
        else:
            split = "train" if config.suite else config.split or EVALUATION_SPLITS
            records = load_records(BLIMP if config.suite else config.dataset, split=split)
            columns = {key: getattr(config, key) for key in ("good", "bad", "paradigm", "field")}
            pairs = read_rows(records, config.title, columns)
        turns = Counter[str]()
        self.pairs = []
        for pair in pairs:
            turns[pair.paradigm] += 1
            if config.limit is None or turns[pair.paradigm] <= config.limit:
                self.pairs.append(pair)
        if not self.pairs:
            raise RecipeError(f"dataset: {config.title}: holds no pairs")

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        if not self.pairs:
            self.prepare()
        config, pairs = self.config, self.pairs
        found = self._scores(model)
        scored = Scored(pairs, [self._right(pair, found) for pair in pairs])
        table = {name: part.share().as_json() for name, part in scored.by("paradigm").items() if name}
        title = "BLiMP" if config.title == "blimp" else config.title.replace("_", " ").capitalize()
        first = f"the first {config.limit} of each paradigm only" if config.limit else ""
        note = "; ".join(filter(None, ["right ones likelier than wrong ones; chance is 50 %", first]))
        about: dict[str, Any] = {
            "pairs": len(pairs),
            "ties": scored.right.count(0.5),
            "same_text_twice": sum(p.good == p.bad and p.given_good == p.given_bad for p in pairs),
            "unknown_tokens": sum(score.unknown for score in found.values()),
            "limit": config.limit,
            "paradigms": table,
        }
        made = {config.key: scored.share(Label(title, KNOWING, note, True, True), **about)}
        fields = scored.by("field")
        for name, part in fields.items() if len(fields) > 1 else ():
            label = Label(f"{title}: {name.replace('_', ' ')}", KNOWING, first, True, True)
            made[f"{config.key}/{name}"] = part.share(label)
        return made

    def _scores(self, model: LanguageModel) -> dict[str, DocumentScore]:
        """Each text of the pairs, scored once."""
        from tqdm.auto import tqdm

        texts = list(dict.fromkeys(t for p in self.pairs for t in (p.good, p.bad, p.given_good, p.given_bad) if t))
        bar = partial(tqdm, total=len(texts), desc=f"{model.name}: {self.config.title}", unit=" texts", disable=None)
        return dict(zip(texts, bar(model.score(texts)), strict=True))

    def _right(self, pair: Pair, found: dict[str, DocumentScore]) -> float:
        """1 where the right text is the likelier one, 0 where the wrong one is, 0.5 where the model cannot tell."""
        whole = [found[text].nats for text in (pair.good, pair.bad)]
        given = [found[text].nats if text else 0.0 for text in (pair.given_good, pair.given_bad)]
        good, bad = (total - before for total, before in zip(whole, given, strict=True))
        return 0.5 if abs(good - bad) <= self.same * max(whole) else float(good < bad)


@dataclass(frozen=True)
class Scored:
    """Pairs and whether the model was right about each."""

    pairs: Sequence[Pair]
    right: Sequence[float]

    def by(self, key: Literal["paradigm", "field"]) -> dict[str, Scored]:
        """The pairs of each paradigm or field."""
        names = [re.sub(r"\W+", "_", getattr(pair, key)) for pair in self.pairs]
        places = {name: [i for i, other in enumerate(names) if other == name] for name in dict.fromkeys(names)}
        return {
            name: Scored([self.pairs[i] for i in rows], [self.right[i] for i in rows]) for name, rows in places.items()
        }

    def share(self, label: Label | None = None, **details: Any) -> Metric:
        """The mean over paradigms of the share of pairs that are right."""
        pairs = self.pairs
        ids = unique(fingerprint([p.given_good, p.good, p.given_bad, p.bad])[:12] for p in pairs)
        items = [p.item or name for p, name in zip(pairs, ids, strict=True)]
        paradigms = [p.paradigm for p in pairs]
        return mean_over_paradigms(ids, self.right, paradigms, items, label=label, **details)


def mean_over_paradigms(
    ids: Sequence[str],
    values: Sequence[float],
    kinds: Sequence[str],
    items: Sequence[str] = (),
    *,
    equal: bool = True,
    share: bool = True,
    label: Label | None = None,
    **details: Any,
) -> Metric:
    """The mean of the means of kinds (paradigms, tasks): a unit weighs the more, the fewer its kind has.

    Args:
        items: which units are not independent of each other, by a common name; default: each by itself. From ten kinds on, those
            of one kind count as one.
        equal: False: each unit weighs the same.
    """
    sizes = Counter(kinds)
    weights = [len(ids) / len(sizes) / sizes[k] if equal else 1.0 for k in kinds]
    clusters = kinds if len(sizes) >= FEW else items
    units = Units(ids, [v * w for v, w in zip(values, weights, strict=True)], weights, clusters)
    return estimate(units, label=label, share=share, **details)
