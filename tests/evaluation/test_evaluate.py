import json
import os
import signal
import subprocess
import sys
import time

import pytest

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.evaluate import PARTIAL, main, model_entries
from silly_llm.evaluation.held_out import request_of
from silly_llm.evaluation.metrics.base import EvaluationProvider, Metric
from silly_llm.evaluation.model import LanguageModel

SMALL = ["--num_stories", "6", "--max_new_tokens", "12", "--num_samples", "2", "--device", "cpu"]
WANTED = {"bits_per_byte", "loss", "ends_by_itself", "words_included", "features_included", "distinct_4"}


def evaluate(output, *arguments, container=None):
    main([*map(str, arguments), "--output_dir", str(output), *SMALL], container=container)
    return json.loads((output / "results.json").read_text(encoding="utf-8"))


@register("evaluation_provider", "test-length")
class Length(EvaluationProvider):
    """Mean length of the documents: a metric as a third party would add it."""

    def __init__(self, settings: EvaluationArguments) -> None:
        self.settings = settings

    def evaluate(self, model: LanguageModel, data) -> dict[str, Metric]:
        lengths = [len(text) for text in data.texts]
        return {"length": Metric(sum(lengths) / len(lengths), None, None, len(lengths))}


def test_base_and_tuned_model_side_by_side(tiny_model, tiny_chat_model, stories_file, tmp_path, capsys):
    results = evaluate(tmp_path / "out", "--model", tiny_model, tiny_chat_model, "--dataset", stories_file)
    assert list(results["models"]) == ["tiny", "tiny-chat"]
    for model in results["models"].values():
        assert set(model["metrics"]) >= WANTED
        for name in WANTED:
            metric = model["metrics"][name]
            assert set(metric) == {"value", "low", "high", "n"} and metric["n"] > 0
            assert metric["low"] <= metric["value"] <= metric["high"]
        assert [s["kind"] for s in model["samples"]] == ["beginning"] * 2 + ["instruction"] * 2
        assert all(set(s) >= {"prompt", "completion"} for s in model["samples"])
    base, tuned = results["models"].values()
    assert base["metrics"]["bits_per_byte"] == tuned["metrics"]["bits_per_byte"]  # both read the raw text
    assert not base["details"]["chat"] and tuned["details"]["chat"]
    assert results["settings"]["window"] == "sliding" == base["details"]["bits_per_byte"]["window"]
    files = {p.name for p in (tmp_path / "out").iterdir()}
    assert files == {"results.json", "report.html", "report.md", "recipe.yaml", "provenance.json", ".silly"}
    assert "silly-llm chat " in capsys.readouterr().out

    evaluate(tmp_path / "out", "--model", tiny_model, tiny_chat_model, "--dataset", stories_file)
    assert "up to date" in capsys.readouterr().out


def test_an_override_chooses_metrics_and_window(tiny_model, stories_file, tmp_path):
    container = Container()
    results = evaluate(
        tmp_path / "out", "--model", tiny_model, "--dataset", stories_file, "--window", "cut",
        "--metrics", "perplexity", "test-length", container=container,
    )  # fmt: skip
    (model,) = results["models"].values()
    assert set(model["metrics"]) == {"bits_per_byte", "loss", "length"}
    assert model["details"]["bits_per_byte"]["documents_cut"] > 0 and results["settings"]["window"] == "cut"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics", "perplexitty"], "did you mean 'perplexity'"),
        (["--metricss", "perplexity"], "did you mean 'metrics'"),
        (["--window", "slide"], "'sliding', 'cut'"),
        (["--model", "./nowhere/at/all"], "no such file or folder"),
        (["--model", "[]"], "name at least one"),
        (["--dataset", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--split", "tests"], "no split 'tests'"),
        (["--text_column", "txt"], "did you mean 'text'"),
        (["--num_stories", "0"], "at least 1"),
    ],
)
def test_a_bad_recipe_is_one_line(arguments, message, tiny_model, stories_file, tmp_path):
    given = {"--model": str(tiny_model), "--dataset": str(stories_file)}
    given |= {arguments[0]: arguments[1]}
    argv = [text for pair in given.items() for text in pair]
    with pytest.raises(RecipeError, match=message.replace(".", r"\.")) as caught:
        main([*argv, "--output_dir", str(tmp_path / "out")])
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "results.json").exists()
    if arguments[0] not in ("--split", "--text_column"):
        assert not (tmp_path / "out").exists()


def test_model_entries_have_different_names(tmp_path):
    for run in ("a", "b"):
        (tmp_path / run / "pretrain").mkdir(parents=True)
        (tmp_path / run / "pretrain" / "config.json").touch()
    paths = [str(tmp_path / run / "pretrain") for run in ("a", "b")]
    assert [entry.name for entry in model_entries(paths)] == ["a/pretrain", "b/pretrain"]
    assert [e.name for e in model_entries([{"path": paths[0], "name": "x"}, "someone/silly-3m"])] == ["x", "silly-3m"]
    with pytest.raises(RecipeError, match="two models"):
        model_entries([{"path": paths[0], "name": "x"}, {"path": paths[1], "name": "x"}])
    with pytest.raises(RecipeError, match="holds no model"):
        model_entries(str(tmp_path))


def test_requests_ask_for_what_the_row_names():
    args = EvaluationArguments(model="m", dataset="d", beginning_words=3)
    text = "Once  upon a time a dog saw a red ball, jumped and barked at it loudly."
    plain = request_of({"text": text}, args, 5)
    assert plain == request_of({"text": text}, args, 5) and plain.beginning == "Once  upon a"
    assert len(plain.words) == 3 and len(plain.features) == 1
    assert all(word in text and word in plain.instruction for word in plain.words)

    story = {"text": text, "words": ["dog", "jump", "red"], "features": [], "prompt": "Write …"}
    request = request_of(story, args, 5)
    assert request.words == ("dog", "jump", "red") and request.features == ()
    assert "dog, jump, red" in request.instruction

    messages = [{"role": "user", "content": "Tell me. Words: dog, jump, red"}]
    row = story | {"prompt": messages, "types": ["words"], "features": ["dialogue"]}
    request = request_of(row, args, 5)
    assert request.messages == tuple(messages) and request.features == ()
    assert request_of(row | {"types": ["summary"]}, args, 5).words == ()


def test_sampling_is_seeded_and_says_what_ended(tiny_model):
    model = LanguageModel.load(str(tiny_model), name="tiny", device="cpu")
    settings = EvaluationArguments(model="m", dataset="d", max_new_tokens=20, generation_batch_size=3).sampling
    prompts = ["Once", "One day Ann found a", "", "Tom had"]
    first = model.generate(prompts, settings, seed=1)
    assert model.generate(prompts, settings, seed=2) != first
    model._generated.clear()
    assert model.generate(prompts, settings, seed=1) == first
    assert all(g.ended == (g.tokens < 20) for g in first)


def test_padding_changes_no_likeliest_token(tiny_model):
    model = LanguageModel.load(str(tiny_model), name="tiny", device="cpu")
    settings = EvaluationArguments(model="m", dataset="d", max_new_tokens=8, temperature=0).sampling
    prompts = ["A", "One day Ann found a red ball."]
    together = model.generate(prompts, settings, 0)
    assert together == [model.generate([prompt], settings, 0)[0] for prompt in prompts]


@pytest.mark.slow
def test_killed_in_the_middle_it_ends_with_the_same_results(tiny_model, tiny_chat_model, stories_file, tmp_path):
    def command(output):
        return [
            sys.executable, "-m", "silly_llm.evaluation.evaluate", "--model", tiny_model, tiny_chat_model,
            "--dataset", stories_file, "--output_dir", output, *SMALL,
        ]  # fmt: skip

    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    subprocess.run(command(undisturbed), check=True, capture_output=True)
    process = subprocess.Popen(command(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((killed / PARTIAL).glob("*.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list((killed / PARTIAL).glob("*.json")) and not (killed / "results.json").exists()
    (killed / PARTIAL / "torn.json").write_text('{"metr')
    subprocess.run(command(killed), check=True, capture_output=True)
    assert (killed / "results.json").read_bytes() == (undisturbed / "results.json").read_bytes()
    assert not (killed / PARTIAL).exists()
