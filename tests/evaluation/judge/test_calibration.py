"""How far a judge is believed: on damaged copies of held-out stories, by itself and by another order."""

import json
import random
import re

import numpy as np
import pytest
from servers.answers import story
from servers.scripted_judge import GRADES, ScriptedJudge, graded
from test_judge import BEGINNINGS, QUIET, by_story, evaluate, prompts  # noqa: F401
from tiny import jsonl

from silly_llm.core.folders.provenance import fingerprint
from silly_llm.evaluation.judge.asking import Verdict
from silly_llm.evaluation.judge.calibration import EASY, HARD, corrected, damaged_pairs
from silly_llm.evaluation.judge.provider import agreement
from silly_llm.evaluation.judge.rubric import Work
from silly_llm.evaluation.metrics.base import EvaluationData
from silly_llm.evaluation.metrics.statistics import Units, standard_error

STORIES = [
    re.sub("They", lambda found: ["Tim", "Mia"][found.start() % 2], story(["dog", "sing"], random.Random(i)))
    for i in range(60)
]


@pytest.fixture(scope="session")
def long_stories(tmp_path_factory):
    return jsonl(tmp_path_factory.mktemp("long") / "stories.jsonl", ({"text": text} for text in STORIES))


def test_pairs_of_a_story_and_its_damaged_copy():
    data = EvaluationData([*STORIES, "Too short."], [])
    pairs = damaged_pairs(data, 40, 1, False)
    assert pairs == damaged_pairs(data, 40, 1, False) != damaged_pairs(data, 40, 2, False)
    names = {pair.name for pair in pairs}
    assert len(names) == 40 and len(pairs) == 80 and names < set(data.document_ids)
    assert {pair.kind for pair in pairs} == {*HARD, *EASY}
    for pair in pairs:
        original, damaged = pair.original.parts, pair.damaged.parts
        assert "".join(original.values()) in STORIES and original["beginning"] == damaged["beginning"]
        assert original["completion"] != damaged["completion"]
    asked = damaged_pairs(data, 4, 1, True)[0].original.parts
    assert list(asked) == ["instruction", "story"] and asked["story"] in STORIES
    assert len(damaged_pairs(data, 1000, 1, False)) == 120  # no more than there are


@pytest.mark.parametrize(
    ("theta", "q1", "q0", "m", "together"),
    [(0.3, 0.9, 0.8, 25, 0.0), (0.8, 0.95, 0.9, 50, 0.6), (0.1, 0.8, 0.7, 50, 0.6), (1.0, 0.9, 0.9, 50, 0.0)],
)
def test_the_corrected_share_is_covered(theta, q1, q0, m, together):
    """By the 95 % interval, in at least 93 % of 600 simulations: 40 prompts of 10 stories that resemble each other, a judge with
    errors, `m` calibration stories of which `together` give both verdicts by the same chance."""
    rng, runs = np.random.default_rng(17), 600
    covered = uncorrected = 0
    clusters = [str(i // 10) for i in range(400)]
    for _ in range(runs):
        shares = rng.beta(5 * theta, 5 * (1 - theta), 40) if theta < 1 else np.ones(40)
        good = rng.random((40, 10)) < shares[:, None]
        accepted = np.where(good, rng.random((40, 10)) < q1, rng.random((40, 10)) >= q0).ravel().astype(float)
        p, error = accepted.mean(), standard_error(Units(clusters, accepted, clusters=clusters).sums()[1])
        same = rng.random(m) < together
        chance = np.where(same[:, None], rng.random((m, 1)), rng.random((m, 2)))
        calibration = list(zip(chance[:, 0] < q1, chance[:, 1] < 1 - q0, strict=True))
        _, low, high = corrected(p, p * (1 - p) / error**2, calibration)
        covered += low <= theta <= high
        uncorrected += abs(p - theta) < 1.96 * error
    assert covered / runs >= 0.93
    assert uncorrected < covered  # without the correction, for all that its interval is narrow


def test_the_correction_is_rogan_gladens():
    calibration = [(True, False)] * 7 + [(True, True)] * 2 + [(False, False)]
    value, low, high = corrected(0.6, 100, calibration)
    assert value == pytest.approx((0.6 + 0.8 - 1) / (0.8 + 0.9 - 1)) and low < value < high
    assert all(np.isnan(x) for x in corrected(0.6, 100, [(True, True)] * 5 + [(False, False)] * 5))


class Knowing:
    """A judge that knows the originals, and is wrong by chance (`errs`), or gives always the same grade."""

    def __init__(self, errs: float = 0.0, constant: bool = False) -> None:
        self.errs, self.constant = errs, constant

    def __call__(self, work, seed):
        if self.constant:
            return graded(7)
        good = "".join(work.values()) in STORIES
        draw = random.Random(fingerprint(work))
        grades = [7, 8, 9] if good != (draw.random() < self.errs) else [3, 4, 5]
        return graded(*(draw.choice(grades) for _ in GRADES))


@pytest.mark.parametrize(
    ("judge", "state"),
    [
        (Knowing(), "calibrated"),
        (Knowing(errs=0.3), "uncalibrated"),
        (Knowing(constant=True), "cannot tell"),
        (None, "cannot tell"),
    ],
)
def test_a_judge_is_called_what_it_is(judge, state, tiny_model, long_stories, prompts, tmp_path, capsys):  # noqa: F811
    grade = judge or (lambda work, seed: "What a nice story!")
    with ScriptedJudge(grade) as server:
        provider = server.spec | {"attempts": 1}
        spec = {"type": "judge", "provider": provider, "prompts": prompts, "completions": 2, "calibration": 48}
        results = evaluate(tiny_model, long_stories, tmp_path / "out", spec | {"repeats": 0.0})
    (model,) = results["models"].values()
    metrics, about = model["metrics"], model["details"]["judge_unreadable"]
    printed = capsys.readouterr().out.splitlines()
    assert about["state"] == state and printed[0].startswith(f"judge judge: {state}: ")
    assert results["notes"][0].startswith(f"Judge judge: {state}") == (state != "calibrated")  # others come behind
    page = (tmp_path / "out" / "report.md").read_text()
    assert (f"Judge judge: {state}" in page) == (state != "calibrated")
    if judge is None:
        assert metrics["judge_unreadable"]["value"] == 1 and not {"judge_plot", "judge_corrected"} & set(metrics)
        assert model["not_measured"]["judge_plot"] == "no verdict could be read"
        return
    assert metrics["judge_plot"]["label"]["note"] == "1-10, by judge" + (f", {state}" if state != "calibrated" else "")
    hard = metrics["judge_tells_hard"]
    assert hard["n"] == 48 and sum(k["pairs"] for k in model["details"]["judge_tells_hard"]["by_kind"].values()) == 48
    baseline = metrics["judge_likelihood_tells_hard"]
    assert baseline["n"] == 48 and baseline["low"] < 0.5 < 0.9 > baseline["value"]  # a random model
    assert metrics["judge_tells_easy"]["n"] == 48
    if state == "calibrated":
        assert hard["value"] == metrics["judge_sensitivity"]["value"] == metrics["judge_specificity"]["value"] == 1
        assert metrics["judge_sensitivity"]["n"] == 24  # the others chose the threshold
        # It writes no such story
        assert metrics["judge_corrected"]["value"] == metrics["judge_accepted"]["value"] == 0
    elif judge.constant:
        assert hard["value"] == 0.5 and "judge_corrected" not in metrics and "judge_accepted" in metrics
    else:
        assert 0.55 < hard["value"] < 0.9


def test_agreement_is_counted():
    rng = random.Random(3)
    grades = [([rng.randint(1, 10) for _ in GRADES], [rng.randint(1, 10) for _ in GRADES]) for _ in range(40)]
    grades += [(a, a) for a, _ in grades[:20]]
    works = [Work(str(i), {}, str(i)) for i in range(61)]
    first, second = zip(*((graded(*a), graded(*b)) for a, b in grades), strict=True)
    metric = agreement(*(list(map(Verdict, works, given)) for given in ((*first, None), (*second, graded(1)))))
    assert metric.value == pytest.approx(np.mean([x == y for a, b in grades for x, y in zip(a, b, strict=True)]))
    assert metric.n == 60 == metric.details["readable"] and metric.details["asked_again"] == 61
    table = np.zeros((10, 10))
    for a, b in grades:
        table[a[0] - 1, b[0] - 1] += 1 / 60
    weights = (np.arange(10)[:, None] - np.arange(10)) ** 2
    kappa = 1 - (weights * table).sum() / (weights * np.outer(table.sum(1), table.sum(0))).sum()
    assert metric.details["weighted_kappa"]["grammar"] == pytest.approx(kappa)


def test_a_judge_is_asked_again(tiny_model, stories_file, prompts, tmp_path, capsys):  # noqa: F811
    """And a judge of the model's own name is warned of."""
    with ScriptedJudge(lambda work, seed: graded(1 + seed % 10)) as server:
        spec = {"type": "judge", "provider": server.spec, "prompts": prompts, "completions": 3, "calibration": 0}
        entry = {"path": str(tiny_model), "name": "Judge"}
        results = evaluate([entry], stories_file, tmp_path / "out", spec | {"repeats": 0.5}, model=[entry])
    (model,) = results["models"].values()
    about, metric = model["details"]["judge_repetition"], model["metrics"]["judge_repetition"]
    assert 5 < about["asked_again"] == about["readable"] < 25 and len(server.bodies) == 2 * (30 + about["asked_again"])
    assert metric["value"] < 0.5
    by_work: dict[str, set] = {}
    for body in server.bodies:
        by_work.setdefault(body["messages"][1]["content"], set()).add(body["seed"])
    assert sorted(map(len, by_work.values())) == [1] * (30 - about["asked_again"]) + [2] * about["asked_again"]
    assert "judged by itself" in capsys.readouterr().out and "judged by itself" in " ".join(results["notes"])


def letters(work):
    return [len(re.findall("[a-e]", work[key])) for key in ("first", "second")]


@pytest.mark.parametrize("biased", [False, True])
def test_two_models_side_by_side(biased, tiny_models, stories_file, prompts, tmp_path):  # noqa: F811
    def grade(work, seed):
        if "second" not in work:
            return by_story(work)
        first, second = letters(work)
        return {"better": "1" if biased or first > second else "2" if second > first else "tie"}

    with ScriptedJudge(grade) as server:
        spec = {
            "type": "judge",
            "provider": server.spec,
            "prompts": prompts,
            "completions": 2,
            "pairwise": True,
            **QUIET,
        }
        results = evaluate(list(tiny_models), stories_file, tmp_path / "out", spec, temperature=0.5)
    one, other = (model["metrics"] for model in results["models"].values())
    about, order = (results["models"]["tiny"]["details"][f"judge_{key}"] for key in ("wins", "order"))
    works = [json.loads(body["messages"][1]["content"]) for body in server.bodies]
    compared = [work for work in works if "second" in work]
    assert about["verdicts"] == 20 == len(compared) / 2 and one["judge_order"]["n"] == 10
    assert one["judge_wins"]["value"] + other["judge_wins"]["value"] == pytest.approx(1)
    assert one["judge_wins"]["n"] == 10
    assert one["judge_strength"]["value"] == pytest.approx(-other["judge_strength"]["value"])
    if biased:
        assert one["judge_order"]["value"] == 0 and order["first_preferred"] == 1 and one["judge_wins"]["value"] == 0.5
        assert abs(one["judge_strength"]["value"]) < 1e-6
    else:
        assert one["judge_order"]["value"] == 1
        samples = {name: {s["prompt"]: s["completion"] for s in m["samples"]} for name, m in results["models"].items()}
        assert set(samples["tiny"]) <= set(BEGINNINGS)
        shown = [work for work in compared if work["beginning"] in samples["tiny"]]
        assert {w["first"] for w in shown} == {t for s in samples.values() for t in s.values()}
        mine = [w for w in compared if w["first"] in samples["tiny"].values()]
        assert mine and one["judge_strength"]["low"] <= one["judge_strength"]["value"] <= one["judge_strength"]["high"]


def test_instructions_are_followed(tiny_models, stories_file, tmp_path):
    with ScriptedJudge(lambda work, seed: graded(5) if "second" not in work else {"better": "tie"}) as server:
        spec = {
            "type": "judge",
            "provider": server.spec,
            "instruct": True,
            "completions": 2,
            "pairwise": True,
            **QUIET,
        }
        results = evaluate(list(tiny_models), stories_file, tmp_path / "out", spec, num_stories=5)
    works = [json.loads(body["messages"][1]["content"]) for body in server.bodies]
    single = [work for work in works if "story" in work]
    assert len(single) == 2 * 2 * 2 * 5 and all("Write a story." in work["instruction"] for work in works)
    assert "which it must follow" in server.bodies[0]["messages"][0]["content"]
    for model in results["models"].values():
        assert model["metrics"]["judge_plot"]["value"] == 5 == model["metrics"]["judge_plot"]["n"]
        assert model["metrics"]["judge_wins"]["value"] == 0.5 and model["details"]["judge_wins"]["verdicts"] == 10


@pytest.mark.slow
def test_a_real_small_model_is_no_judge(gguf, tiny_model, long_stories, prompts, tmp_path, capsys):  # noqa: F811
    """SmolLM2-135M completes its work, in this process, and nobody is asked to believe it."""
    provider = {"type": "transformers", "model": "smollm2-135m-instruct", "dtype": "float32"}
    spec = {"type": "judge", "provider": provider, "prompts": prompts, "num_prompts": 2, "completions": 1, **QUIET}
    results = evaluate(tiny_model, long_stories, tmp_path / "out", spec | {"calibration": 4, "max_tokens": 40})
    (model,) = results["models"].values()
    about = model["details"]["judge_unreadable"]
    assert about["state"] in ("uncalibrated", "cannot tell") and about["verdicts"] == 2
    assert about["state"] in results["notes"][0] and f": {about['state']}: " in capsys.readouterr().out.splitlines()[0]
    assert "judge_tells_hard" in model["metrics"] | model["not_measured"]
    assert about["unreadable"] == sum(about["reasons"].values())
