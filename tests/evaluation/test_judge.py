"""Stories judged by a scripted LLM behind real HTTP: what is sent, what is counted, what is kept."""

import json
from pathlib import Path

import numpy as np
import pytest
from servers.scripted_judge import GRADES, ScriptedJudge, graded
from tiny import jsonl

from silly_llm.core.container import Container
from silly_llm.core.folders.provenance import fingerprint
from silly_llm.evaluation.evaluate import main
from silly_llm.evaluation.evidence import read_evidence
from silly_llm.evaluation.judge.asking import Judge
from silly_llm.evaluation.judge.rubric import Rubric, Work
from silly_llm.evaluation.metrics.base import Units, estimate

QUIET = {"calibration": 0, "repeats": 0.0}
BEGINNINGS = ["One day Ann", "The dog ran to", "Tom had a kite. It", "In a small house", "Ben said, “", "Mia saw a cat and",
    "A bird sang in", "Once upon a time", "The old man", "It was dark when"]  # fmt: skip


def by_story(work: dict[str, str], seed: int = 0) -> dict:
    """Grades that are a function of the story."""
    number = int(fingerprint(work)[:8], 16)
    return graded(*(1 + number // 10**i % 10 for i in range(4)), age="ABCDEF"[number % 6])


def evaluate(models, stories_file: Path, output: Path, *metrics, **options):
    """Run `evaluate` in this process; gives what results.json says."""
    values = {"model": [str(m) for m in np.atleast_1d(models)], "dataset": str(stories_file), "metrics": list(metrics)}
    values |= {"output_dir": str(output), "max_new_tokens": 12, "num_samples": 2, "device": "cpu", **options}
    recipe = output.with_suffix(".json")
    recipe.write_text(json.dumps(values))
    main(["--config", str(recipe)])
    return json.loads((output / "results.json").read_text(encoding="utf-8"))


@pytest.fixture
def prompts(tmp_path) -> str:
    return str(jsonl(tmp_path / "prompts.jsonl", ({"prompt": text} for text in BEGINNINGS)))


def test_averages_are_exact_and_failures_are_counted(tiny_model, stories_file, prompts, tmp_path):
    unreadable: dict[str, None] = {}

    def grade(work, seed):
        story = json.dumps(work)
        if len(unreadable) < 7:
            unreadable[story] = None
        return "I would give it a ten." if story in unreadable else by_story(work)

    with ScriptedJudge(grade) as server:
        spec = {"type": "judge", "provider": server.spec, "prompts": prompts, "completions": 10, **QUIET}
        results = evaluate(tiny_model, stories_file, tmp_path / "out", spec)
    (model,) = results["models"].values()
    about = model["details"]["judge_unreadable"]
    assert model["metrics"]["judge_unreadable"]["value"] == 0.07 and about["unreadable"] == 7
    assert about["verdicts"] == 100 and sum(about["reasons"].values()) == 7
    assert about["rubric"] == Rubric().about and about["judge"] == "judge"
    works = {body["messages"][1]["content"] for body in server.bodies}
    readable = [json.loads(work) for work in works if json.dumps(json.loads(work)) not in unreadable]
    assert len(works) == 100 and len(readable) == 93
    clusters = [work["beginning"] for work in readable]
    for name in GRADES:
        metric, grades = model["metrics"][f"judge_{name}"], [by_story(work)[name] for work in readable]
        assert metric["value"] == pytest.approx(np.mean(grades), abs=1e-12) and metric["n"] == 10
        expected = estimate(Units([str(i) for i in range(93)], grades, clusters=clusters))
        assert (metric["low"], metric["high"]) == pytest.approx((expected.low, expected.high), abs=1e-9)
    ages = [by_story(work)["age_group"] for work in readable]
    counted = model["details"]["judge_age_group"]["distribution"]
    assert {key[0]: n for key, n in counted.items()} == {age: ages.count(age) for age in "ABCDEF"}
    units = read_evidence(tmp_path / "out", results)["tiny", "judge_plot"]
    assert len(units) == 93 and len(set(units.clusters)) == 10
    samples = [s for s in model["samples"] if s["kind"] == "judged"]
    assert len(samples) == 2 and all(s["assessment"] and (s["grades"] or s["unreadable"]) for s in samples)
