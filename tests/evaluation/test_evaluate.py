import json

import pytest
from journals import kill

from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import register
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.compare import main as compare
from silly_llm.evaluation.evaluate import PARTIAL, main, model_entries
from silly_llm.evaluation.held_out import request_of
from silly_llm.evaluation.metrics.base import EvaluationProvider, Metric
from silly_llm.evaluation.models.causal import LanguageModel

SMALL = ["--num_stories", "6", "--max_new_tokens", "12", "--num_samples", "2", "--device", "cpu"]
PREDICTED = {"bits_per_byte", "bits_per_character", "lossy_bytes", "loss", "perplexity"}
WANTED = {"bits_per_byte", "loss", "ends_by_itself", "words_included", "features_included", "distinct_2"}


def evaluate(output, *arguments):
    main([*map(str, arguments), "--output_dir", str(output), *SMALL])
    return json.loads((output / "results.json").read_text(encoding="utf-8"))


@register("evaluation_provider", "test-length")
class Length(EvaluationProvider):
    """Mean length of the documents: a metric as a third party would add it."""

    def evaluate(self, model: LanguageModel, data) -> dict[str, Metric]:
        lengths = [len(text) for text in data.texts]
        return {"length": Metric(sum(lengths) / len(lengths), None, None, len(lengths), {"odd": float("nan")})}


def test_base_and_tuned_model_side_by_side(tiny_models, stories_file, tmp_path, capsys):
    arguments = ["--model", *tiny_models, "--dataset", stories_file]
    results = evaluate(tmp_path / "out", *arguments)
    assert list(results["models"]) == ["tiny", "tiny-chat"]
    for model in results["models"].values():
        assert set(model["metrics"]) >= WANTED
        for metric in (model["metrics"][name] for name in WANTED):
            assert set(metric) == {"value", "low", "high", "n", "label", "few"} and 0 < metric["n"] < 10
            assert metric["low"] <= metric["value"] <= metric["high"]
        assert [s["kind"] for s in model["samples"]] == ["beginning"] * 2 + ["instruction"] * 2
        assert all(set(s) >= {"prompt", "completion"} for s in model["samples"])
    base, tuned = results["models"].values()
    assert base["metrics"]["bits_per_byte"] == tuned["metrics"]["bits_per_byte"]  # both read the raw text
    assert not base["details"]["chat"] and tuned["details"]["chat"]
    assert results["settings"]["window"] == "sliding" == base["details"]["bits_per_byte"]["window"]
    files = {p.name for p in (tmp_path / "out").iterdir()}
    assert files == {
        "results.json",
        "report.html",
        "report.md",
        "evidence.parquet",
        "generations.parquet",
        "recipe.yaml",
        "provenance.json",
        ".silly",
    }
    assert "silly-llm chat " in capsys.readouterr().out
    said = {row["metric"]: row["verdict"] for row in results["comparisons"]}
    assert set(said) >= {"bits_per_byte", "words_included"} and said["bits_per_byte"] == "too few to say (n = 8)"
    assert set(results["best"].values()) == {None} and results["silly_llm_results"] == 2
    assert tuned["measured_by"]["words_included"] == {"type": "instruction_following"}
    compare([str(tmp_path / "out")])  # its evidence bears its numbers out
    assert "Are these checkpoints different" in capsys.readouterr().out
    evaluate(tmp_path / "out", *arguments)
    assert "up to date" in capsys.readouterr().out


def test_an_override_chooses_metrics_and_window(tiny_model, stories_file, tmp_path):
    metrics = ["--window", "cut", "--metrics", "perplexity", "test-length"]
    results = evaluate(tmp_path / "out", "--model", tiny_model, "--dataset", stories_file, *metrics)
    (model,) = results["models"].values()
    assert set(model["metrics"]) == PREDICTED | {"length"} and model["details"]["length"] == {"odd": None}
    assert model["details"]["bits_per_byte"]["documents_cut"] > 0 and results["settings"]["window"] == "cut"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("metrics", "perplexitty", "did you mean 'perplexity'"),
        ("metricss", "perplexity", "did you mean 'metrics'"),
        ("window", "slide", "'sliding', 'cut'"),
        ("model", "./nowhere/at/all", "no such file or folder"),
        ("model", "[]", "name at least one"),
        ("dataset", "nowhere.jsonl", r"nowhere\.jsonl"),
        ("split", "tests", "no split 'tests'"),
        ("text_column", "txt", "did you mean 'text'"),
        ("num_stories", "0", "at least 1"),
        ("num_documents", "0", "at least 1"),
        ("seed", "-1", "seed: must be at least 0"),
        ("top_p", "0", "top_p: must be between"),
        ("context", "100000", "context: 100000 is more than the 48 positions"),
    ],
)
def test_a_bad_recipe_is_one_line(key, value, message, tiny_model, stories_file, tmp_path):
    given = {"model": str(tiny_model), "dataset": str(stories_file), key: value, "output_dir": str(tmp_path / "out")}
    with pytest.raises(RecipeError, match=message) as caught:
        main([text for name, text in given.items() for text in (f"--{name}", text)])
    assert "\n" not in str(caught.value) and not (tmp_path / "out" / "results.json").exists()
    assert not (tmp_path / "out").exists()  # so that results of before stay


def test_model_entries_have_different_names(tmp_path):
    paths = [str(tmp_path / run / "pretrain") for run in ("a", "b")]
    for run in ("a", "b"):
        (tmp_path / run / "pretrain").mkdir(parents=True)
        (tmp_path / run / "pretrain" / "config.json").touch()
    assert [entry.name for entry in model_entries(paths)] == ["a/pretrain", "b/pretrain"]
    assert [e.name for e in model_entries([{"path": paths[0], "name": "x"}, "someone/silly-3m"])] == ["x", "silly-3m"]
    with pytest.raises(RecipeError, match="two models"):
        model_entries([{"path": path, "name": "x"} for path in paths])
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
    assert request_of({"text": text, "words": "dog, red"}, args, 5).words == ("dog", "red")
    with pytest.raises(RecipeError, match="'prompt' must be messages with role and content"):
        request_of(row | {"prompt": [{"from": "human", "value": "Tell me."}]}, args, 5)


@pytest.mark.slow
def test_killed_in_the_middle_it_ends_with_the_same_results(tiny_models, stories_file, tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    arguments = ["--model", *tiny_models, "--dataset", stories_file]
    evaluate(undisturbed, *arguments)
    parts = (killed / PARTIAL).glob
    kill("evaluate", *arguments, "--output_dir", killed, *SMALL, when=lambda: list(parts("*.json")))
    finished, *_ = parts("*.json")
    assert not (killed / "results.json").exists()
    finished.write_text(finished.read_text()[:-9])  # torn
    evaluate(killed, *arguments)
    assert (killed / "results.json").read_bytes() == (undisturbed / "results.json").read_bytes()
    assert not (killed / PARTIAL).exists()
