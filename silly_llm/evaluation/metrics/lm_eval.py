"""Tasks of EleutherAI's lm-evaluation-harness, its own or one's own from YAML files. Needs `pip install silly-llm[eval]`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from silly_llm.core.errors import NotInstalledError, RecipeError
from silly_llm.core.lookup import home
from silly_llm.core.registry import register
from silly_llm.core.schema import at_least
from silly_llm.data.sources import guarded
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import BENCHMARKS, EvaluationData, EvaluationProvider, Label, Metric, unique
from silly_llm.evaluation.metrics.minimal_pairs import SAME, mean_over_paradigms
from silly_llm.evaluation.metrics.statistics import around, wilson

if TYPE_CHECKING:
    from silly_llm.evaluation.models.causal import LanguageModel


@dataclass
class LmEvalConfig:
    tasks: list[str] = field(default_factory=list)
    """Names of tasks, groups or tags, such as `blimp`, patterns (`blimp_*`) or YAML files; the harness loads most data from the Hub."""
    include_path: str | None = None
    """A folder with one's own task files."""
    limit: int | None = None
    """Only the first so many examples of each task; it becomes part of the metrics' names."""
    num_fewshot: int | None = None
    """Solved examples before each question; it becomes part of the metrics' names."""
    batch_size: int = 32

    def __post_init__(self) -> None:
        at_least(self, limit=1, num_fewshot=0, batch_size=1)
        if not self.tasks:
            raise RecipeError("tasks: name at least one")


@register("evaluation_provider", "lm_eval")
class LmEval(EvaluationProvider):
    """Any task of the lm-evaluation-harness (`tasks: [blimp, …]`), by its `simple_evaluate`.

    Metrics are called `TASK/METRIC`. A group is one metric, with its tasks in the details. Of `acc`, choices that the model finds
    equally likely share the point (the harness gives it to the first). Shares have Wilson's intervals. A text without context is scored
    as a document, begin-of-text once before it and no space (the harness puts its `target_delimiter` there).
    """

    def __init__(self, config: LmEvalConfig, settings: EvaluationArguments) -> None:
        self.config, self.settings = config, settings
        self.manager: Any = None
        self.tasks: list[str] = []

    def prepare(self) -> None:
        """Find the tasks and read their data.

        Raises:
            RecipeError: there is no such task, or its file or data are wrong.
            RunError: its data cannot be reached.
        """
        try:
            from lm_eval.tasks import TaskManager
        except ImportError as error:
            raise NotInstalledError("the metric lm_eval needs lm-eval: pip install 'silly-llm[eval]'") from error
        folder = self.config.include_path and home(self.config.include_path)
        if folder and not folder.is_dir():
            raise RecipeError(f"include_path: {folder}: no such folder")
        found: dict[str, list[str]] = {}
        for defaults in (False, True) if folder else (True,):  # the harness's own 14,000 names take a while
            include = str(folder) if folder else None
            self.manager = guarded(str(folder), lambda: TaskManager(include_path=include, include_defaults=defaults))  # noqa: B023
            found = {name: self._named(name) for name in self.config.tasks}
            if all(found.values()):
                break
        for name in (name for name, tasks in found.items() if not tasks):
            near = ", ".join(map(repr, difflib.get_close_matches(name, self.manager.all_tasks, 3, 0.5)))
            raise RecipeError(f"tasks: lm-eval has no {name!r}" + (f"; the nearest are {near}" if near else ""))
        self.tasks = list(dict.fromkeys(task for tasks in found.values() for task in tasks))
        for name in self.tasks:
            guarded(f"{name} of lm-eval", lambda: self.manager.load([name]))  # noqa: B023

    def _named(self, name: str) -> list[str]:
        """The tasks that a name, a pattern or a file means."""
        if name.endswith((".yaml", ".yml")):
            return [str(home(name))] if home(name).is_file() else []
        return self.manager.match_tasks([name])

    def evaluate(self, model: LanguageModel, data: EvaluationData) -> dict[str, Metric]:
        from lm_eval import simple_evaluate

        if not self.tasks:
            self.prepare()
        config, harness = self.config, self._harness(model)
        seeds = ("random_seed", "numpy_random_seed", "torch_random_seed", "fewshot_random_seed")
        answer = simple_evaluate(
            model=harness,
            tasks=list(self.tasks),
            task_manager=self.manager,
            limit=config.limit,
            num_fewshot=config.num_fewshot,
            bootstrap_iters=1000,
            log_samples=True,
            **dict.fromkeys(seeds, self.settings.seed),
        )
        metrics: dict[str, Metric] = {}
        inside: set[str] = set()  # tasks and groups that a group with a number of its own stands for
        for name in sorted(answer["results"], key=lambda name: name not in answer["group_subtasks"]):
            if name not in inside and (found := dict(self._metrics(answer, name))):
                metrics |= found
                inside.update(parts_of(answer, name))
        return metrics

    def _harness(self, model: LanguageModel) -> Any:
        from lm_eval.models.huggingface import HFLM

        class Harness(HFLM):
            def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
                bare = [r if r.args[0] else replace(r, arguments=("", r.args[1].removeprefix(" "))) for r in requests]
                return super().loglikelihood(bare, disable_tqdm)

            def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
                self.add_bos_token = False  # it comes as the windows' prefix, else there were two
                try:
                    return super().loglikelihood_rolling(requests, disable_tqdm)
                finally:
                    self.add_bos_token = True

        return Harness(
            pretrained=model.model,
            tokenizer=model.tokenizer,
            batch_size=self.config.batch_size,
            max_length=model.context,
            add_bos_token=True,
        )

    def _metrics(self, answer: Mapping[str, Any], name: str) -> Iterator[tuple[str, Metric]]:
        """The metrics of a task or group, with those of its parts in the details."""
        config, parts = self.config, parts_of(answer, name)
        title = name + (f"@{config.num_fewshot}-shot" if config.num_fewshot else "")
        title += f"[:{config.limit}]" if config.limit else ""
        note = f"the first {config.limit} of each task only" if config.limit else ""
        for key, value in answer["results"][name].items():
            kind, comma, variant = key.partition(",")
            if not comma or kind.endswith("_stderr") or not isinstance(value, (int, float)):
                continue
            shown = kind if variant == "none" else f"{kind} ({variant})"
            higher = answer["higher_is_better"].get(name, {}).get(kind)
            share = 0 <= value <= 1 and higher is not False
            label = Label(f"{title}: {shown}", BENCHMARKS, note, higher, share)
            about: dict[str, Any] = {"limit": config.limit}
            if parts:
                measured = [part for part in parts if key in answer["results"].get(part, {})]
                about["subtasks"] = {part: self._metric(answer, part, key, None).as_json() for part in measured}
            yield f"{title}/{shown}", self._metric(answer, name, key, label, **about)

    def _metric(self, answer: Mapping[str, Any], name: str, key: str, label: Label | None, **about: Any) -> Metric:
        """A number of the harness, from its samples where it is a mean of theirs, else with the harness's own standard error."""
        results, (kind, _, variant) = answer["results"], key.partition(",")
        value, tasks = results[name][key], parts_of(answer, name) or [name]
        samples = {t: answer["samples"][t] for t in tasks if t in answer["samples"] and key in results[t]}
        rows = [(t, s) for t, found in samples.items() for s in found if s["filter"] == variant]
        means = {t: mean(s.get(kind) for task, s in rows if task == t) for t in samples}
        by_task, by_size = (same_number(value, mean(x)) for x in (means.values(), (s.get(kind) for _, s in rows)))
        if (by_task or by_size) and all(same_number(results[t][key], means[t]) for t in samples):
            given, same = [float(s[kind]) for _, s in rows], SAME[self.settings.dtype]
            types = {t: answer["configs"][t]["output_type"] for t in samples if kind == "acc"}
            choosing = [types.get(t) == "multiple_choice" for t, _ in rows]
            values = [credit(s, same) if c else x for c, (_, s), x in zip(choosing, rows, given, strict=True)]
            about |= {"ties_as_right": value} if values != given else {}
            ids = unique(f"{t}:{s['doc_hash'][:12]}" for t, s in rows)
            how: dict[str, Any] = {"equal": by_task, "share": 0 <= min(values) <= max(values) <= 1}
            return mean_over_paradigms(ids, values, [t for t, _ in rows], label=label, **how, **about)
        n = sum(answer["n-samples"][t]["effective"] for t in samples)
        error = results[name].get(f"{kind}_stderr,{variant}")
        interval: tuple[Any, Any] = (None, None)
        if isinstance(error, float) and n > 1:
            interval = (wilson if label and label.percent else around)(value, error, n)
        return Metric(float(value), *interval, n, about, label)


def parts_of(answer: Mapping[str, Any], name: str) -> list[str]:
    """The tasks and groups in a group, and those in them; none of a task."""
    children = answer["group_subtasks"].get(name, [])
    return list(dict.fromkeys(part for child in children for part in (child, *parts_of(answer, child))))


def credit(sample: Mapping[str, Any], same: float) -> float:
    """The point for the right choice, shared between those that the model finds equally likely."""
    target, likelihoods = sample["target"], [response[0] for response in sample["filtered_resps"]]
    if not isinstance(target, int) or "acc_mutual_info" in sample["metrics"]:
        return float(sample["acc"])
    best = max(likelihoods)
    likeliest = [i for i, x in enumerate(likelihoods) if best - x <= same * abs(best)]
    return float(target in likeliest) / len(likeliest)


def mean(numbers: Iterable[Any]) -> float:
    """Their mean; not a number where there are none, or they are something else (such as the parts of a perplexity)."""
    given = list(numbers)
    return fmean(given) if given and all(isinstance(x, (int, float)) for x in given) else math.nan


def same_number(a: float, b: float) -> bool:
    return math.isclose(a, b, abs_tol=1e-9)
