import pytest
from tiny import jsonl

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import parse_component
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData

TASK = """
task: tiny_pairs
dataset_path: json
dataset_kwargs: {data_files: {validation: FILE}}
output_type: multiple_choice
validation_split: validation
doc_to_text: ""
doc_to_target: 0
doc_to_choice: "{{[good, bad]}}"
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""


def test_needs_tasks():
    with pytest.raises(RecipeError, match="name at least one"):
        parse_component("evaluation_provider", "lm_eval")


@pytest.mark.slow
def test_a_task_of_ones_own(model, tmp_path):
    pytest.importorskip("lm_eval")
    pairs = [{"good": f"The dog {verb}.", "bad": f"Dog the {verb}."} for verb in ("ran", "sat", "ate", "slept")]
    jsonl(tmp_path / "pairs.jsonl", pairs)
    (tmp_path / "pairs.yaml").write_text(TASK.replace("FILE", str(tmp_path / "pairs.jsonl")))
    container = Container().provide(EvaluationArguments, EvaluationArguments(model="m", dataset="d"))
    spec = {"type": "lm_eval", "tasks": ["tiny_pairs"], "include_path": str(tmp_path)}
    metric = container.build("evaluation_provider", spec).evaluate(model, EvaluationData([], []))["tiny_pairs/acc"]
    assert metric.n == 4 and 0 <= metric.value <= 1 and metric.low <= metric.value <= metric.high
