"""What a model costs, of real folders."""

import json
import math

import pytest

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData
from silly_llm.evaluation.metrics.cost import trained_on
from silly_llm.evaluation.models.causal import LanguageModel

SPEC = {"type": "cost", "documents": 4, "stories": 3, "max_new_tokens": 5, "repeats": 1}


def costs(model, stories):
    container = Container().provide(EvaluationArguments, EvaluationArguments(model="m", dataset="d"))
    return container.build("evaluation_provider", SPEC).evaluate(model, EvaluationData(stories, []))


def stage(folder, **said):
    folder.mkdir(exist_ok=True)
    (folder / "provenance.json").write_text(json.dumps(said))


def test_counts_of_a_real_model_and_speeds_measured_here(model, stories):
    before = len(model.generations)
    made = costs(model, stories)
    config = model.model.config
    table = config.vocab_size * config.hidden_size
    shapes = [p.numel() for p in model.model.parameters()]
    assert made["parameters"].value == sum(shapes)
    assert made["parameters_without_embeddings"].value == sum(shapes) - 2 * table  # untied
    assert made["weight_bytes"].value == 4 * sum(shapes)
    for name in ("scoring_tokens_per_second", "sampling_tokens_per_second"):
        assert made[name].value > 1 and made[name].details["hardware"] and made[name].low is None
    assert made["peak_memory_bytes"].value > 4 * sum(shapes) or math.isnan(made["peak_memory_bytes"].value)
    assert len(model.generations) == before
    assert "training_flops" not in made  # a folder that says nothing of its training
    assert all(metric.label.group == "Cost" and metric.as_json()["high"] is None for metric in made.values())


def test_the_flops_of_all_trainings_that_made_a_model(model, stories, tmp_path):
    stage(tmp_path / "pretrain", phase="pretrain", tokens=1000, inputs={"elsewhere/stories": "d"})
    stage(tmp_path / "sft", phase="sft", tokens=200, inputs={"elsewhere/pretrain": "d", "elsewhere/instructions": "d"})
    stage(tmp_path / "instructions", phase="instruct", inputs={})
    model.model.save_pretrained(tmp_path / "sft")
    model.tokenizer.save_pretrained(tmp_path / "sft")
    tuned = LanguageModel.load(str(tmp_path / "sft"), name="tuned", device="cpu")
    metric = costs(tuned, stories)["training_flops"]
    embedded = tuned.model.get_input_embeddings().weight.numel()
    assert metric.value == 6 * (tuned.model.num_parameters() - embedded) * 1200
    assert [phase["phase"] for phase in metric.details["phases"]] == ["sft", "pretrain"]
    (tmp_path / "pretrain" / "provenance.json").write_text("{")
    assert [phase["tokens"] for phase in trained_on(tmp_path / "sft")] == [200]


def test_options_are_checked_before_a_model_is_loaded():
    with pytest.raises(RecipeError, match="repeats"):
        Container().build("evaluation_provider", SPEC | {"repeats": 0})
