import math

import pytest
from tiny import constant_llama, jsonl

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.core.registry import parse_component
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData
from silly_llm.evaluation.metrics.minimal_pairs import MinimalPairs, MinimalPairsConfig
from silly_llm.evaluation.models.base import NotMeasured
from silly_llm.evaluation.models.causal import LanguageModel
from silly_llm.evaluation.models.served import ServedModel

TASK = """
task: NAME
dataset_path: json
dataset_kwargs: {data_files: {validation: FILE}}
output_type: multiple_choice
validation_split: validation
doc_to_text: ""
doc_to_target: 0
doc_to_choice: "{{[sentence_good, sentence_bad]}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
GROUP = "group: tiny\ntask: [tiny_verbs, tiny_nouns]\naggregate_metric_list: [{metric: acc, weight_by_size: false}]\n"
PAIRS = {
    "tiny_verbs": [(f"The dog {verb}.", f"Dog the {verb} a cat.") for verb in ("ran", "sat", "ate", "slept", "was")],
    "tiny_nouns": [(f"A {noun} fell.", f"Fell {noun}.") for noun in ("kite", "box")],
}
ROWS = {uid: [{"sentence_good": g, "sentence_bad": b, "UID": uid} for g, b in both] for uid, both in PAIRS.items()}
SETTINGS = EvaluationArguments(model="m", dataset="d")
NOTHING = EvaluationData([], [])


def lm_eval(folder, *tasks: str, **options):
    spec = {"type": "lm_eval", "tasks": list(tasks), "include_path": str(folder), **options}
    built = Container().provide(EvaluationArguments, SETTINGS).build("evaluation_provider", spec)
    built.prepare()
    return built


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("lm_eval")
    folder = tmp_path_factory.mktemp("tasks")
    for name, rows in ROWS.items():
        file = jsonl(folder / f"{name}.jsonl", rows)
        (folder / f"{name}.yaml").write_text(TASK.replace("NAME", name).replace("FILE", str(file)))
    (folder / "tiny.yaml").write_text(GROUP)
    return folder


def directly(model, rows, tmp_path):
    """The same rows by our own minimal pairs."""
    config = MinimalPairsConfig(dataset=str(jsonl(tmp_path / "tiny.jsonl", rows)))
    return MinimalPairs(config, SETTINGS).evaluate(model, NOTHING)["tiny"]


def test_needs_tasks():
    with pytest.raises(RecipeError, match="name at least one"):
        parse_component("evaluation_provider", "lm_eval")


@pytest.mark.slow
def test_a_task_of_ones_own_agrees_with_a_direct_computation(model, folder, tmp_path):
    metric = lm_eval(folder, "tiny_verbs").evaluate(model, NOTHING)["tiny_verbs/acc"]
    ours = directly(model, ROWS["tiny_verbs"], tmp_path)
    assert metric.value == ours.value and metric.n == 5 and 0 <= metric.low <= metric.value <= metric.high <= 1
    assert list(metric.units.numerators) == list(ours.units.numerators) and metric.high - metric.low > 0
    assert metric.label.higher_is_better is True and metric.label.percent


@pytest.mark.slow
def test_a_group_is_one_metric_with_its_tasks_inside(model, folder, tmp_path):
    metrics = lm_eval(folder, "tiny").evaluate(model, NOTHING)
    assert list(metrics) == ["tiny/acc"]
    group = metrics["tiny/acc"]
    ours = directly(model, [row for rows in ROWS.values() for row in rows], tmp_path)
    assert group.n == 7 and group.value == pytest.approx(ours.value)
    parts = group.details["subtasks"]
    assert {name: part["n"] for name, part in parts.items()} == {"tiny_verbs": 5, "tiny_nouns": 2}
    assert group.value == pytest.approx(sum(part["value"] for part in parts.values()) / 2)


@pytest.mark.slow
def test_choices_that_are_equally_likely_share_the_point(folder, tmp_path):
    model = LanguageModel.load(str(constant_llama(tmp_path / "model")), name="constant", device="cpu")
    group = lm_eval(folder, "tiny").evaluate(model, NOTHING)["tiny/acc"]
    assert group.value == 0.5 and group.details["ties_as_right"] == 1.0


def test_a_model_without_weights_here_is_not_measured(folder, tmp_path):
    with pytest.raises(NotMeasured, match="far is behind an API"):
        lm_eval(folder, "tiny_verbs").evaluate(ServedModel(None, "far", tmp_path / "journal", {}), NOTHING)


@pytest.mark.slow
def test_limit_and_patterns(model, folder):
    metrics = lm_eval(folder, "tiny_*", limit=1).evaluate(model, NOTHING)
    assert set(metrics) == {"tiny_verbs[:1]/acc", "tiny_nouns[:1]/acc"}
    assert "the first 1 of each task only" in metrics["tiny_verbs[:1]/acc"].label.note


@pytest.mark.slow
def test_an_unknown_task_is_told_before_the_model_loads(folder, in_process, stories_file, tmp_path):
    with pytest.raises(RecipeError, match="no 'blinp'; the nearest are 'blimp'"):
        lm_eval(folder, "blinp")
    recipe = tmp_path / "evaluation.yaml"
    metrics = f"[{{type: lm_eval, tasks: [tiny_verb], include_path: {folder}}}]"
    recipe.write_text(f"model: nobody/nothing\ndataset: {stories_file}\nmetrics: {metrics}\n")
    done = in_process("evaluate", "--config", recipe, "--output_dir", tmp_path / "out")
    assert done.returncode == 2 and "'tiny_verbs'" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_data_that_is_not_there_is_told_before_the_model_loads(folder, tmp_path):
    task = TASK.replace("NAME", "lost").replace("FILE", str(tmp_path / "lost.jsonl"))
    (tmp_path / "lost.yaml").write_text(task)
    with pytest.raises(RecipeError, match=r"lost of lm-eval.* cannot be loaded: .*lost\.jsonl"):
        lm_eval(tmp_path, "lost")
    (tmp_path / "hub.yaml").write_text(task.replace("lost", "hub").replace("path: json", "path: nobody/nothing"))
    with pytest.raises(RunError, match="hub of lm-eval"):
        lm_eval(tmp_path, "hub")
    with pytest.raises(RecipeError, match="no such folder"):
        lm_eval(tmp_path / "none", "lost")


@pytest.mark.slow
def test_what_is_no_mean_of_samples_keeps_the_harness_number_and_its_direction(model, folder):
    rolling = TASK.replace("NAME", "rolling").replace("FILE", str(folder / "tiny_verbs.jsonl"))
    rolling = rolling.replace("multiple_choice", "loglikelihood_rolling").replace(
        "target: 0", "target: '{{sentence_good}}'"
    )
    rolling = rolling.partition("doc_to_choice")[0] + "metric_list: [{metric: bits_per_byte}]\n"
    (folder / "rolling.yaml").write_text(rolling)
    metric = lm_eval(folder, "rolling").evaluate(model, NOTHING)["rolling/bits_per_byte"]
    texts = [row["sentence_good"] for row in ROWS["tiny_verbs"]]
    scores = list(model.score(texts))
    bits = sum(score.nats for score in scores) / sum(score.bytes for score in scores) / math.log(2)
    assert metric.value == pytest.approx(bits, rel=1e-5) and metric.label.higher_is_better is False
    assert metric.n == 5 and metric.units is None and not metric.label.percent
