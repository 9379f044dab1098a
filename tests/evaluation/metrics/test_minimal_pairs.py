import json

import pytest
from servers.local_hub import LocalHub
from tiny import constant_llama, jsonl

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.metrics.base import EvaluationData
from silly_llm.evaluation.metrics.minimal_pairs import BLIMP
from silly_llm.evaluation.models.causal import LanguageModel
from silly_llm.evaluation.suites.pairs import SUITES

ROWS = [
    {"sentence_good": f"The {a} ran.", "sentence_bad": f"The {b} run the.", "UID": uid, "field": field}
    for uid, field, a, b in [
        ("one", "syntax", "dog", "cat"),
        ("one", "syntax", "big old dog", "cat"),
        ("one", "syntax", "cat", "dog and the cat"),
        ("two", "syntax/semantics", "box", "ship"),
        ("three", "syntax_semantics", "tree", "bird and the kite"),
        ("three", "syntax_semantics", "little bird in the tree", "ball"),
    ]
]
NOTHING = EvaluationData([], [])


def provider(**options):
    container = Container().provide(EvaluationArguments, EvaluationArguments(model="m", dataset="d"))
    built = container.build("evaluation_provider", {"type": "minimal_pairs", **options})
    built.prepare()
    return built


@pytest.fixture
def rows_file(tmp_path):
    return str(jsonl(tmp_path / "grammar.jsonl", ROWS))


def test_the_mean_over_paradigms_of_what_the_likelihood_says(model, rows_file):
    metrics = provider(dataset=rows_file).evaluate(model, NOTHING)
    texts = [row[key] for row in ROWS for key in ("sentence_good", "sentence_bad")]
    nats = [score.nats for score in model.score(texts)]
    right = [float(good < bad) for good, bad in zip(nats[::2], nats[1::2], strict=True)]
    assert len(set(right)) == 2
    of_paradigm = [sum(right[:3]) / 3, right[3], sum(right[4:]) / 2]
    assert set(metrics) == {"grammar", "grammar/syntax", "grammar/syntax_semantics"}
    whole = metrics["grammar"]
    assert whole.value == pytest.approx(sum(of_paradigm) / 3) and 0 <= whole.low <= whole.value <= whole.high <= 1
    assert metrics["grammar/syntax_semantics"].value == pytest.approx(sum(of_paradigm[1:]) / 2)
    assert whole.label.higher_is_better and whole.label.percent and whole.details["pairs"] == 6
    table = whole.details["paradigms"]
    assert {name: (row["value"], row["n"]) for name, row in table.items()} == {
        name: (pytest.approx(value), n)
        for name, value, n in zip(("one", "two", "three"), of_paradigm, (3, 1, 2), strict=True)
    }
    assert sum(whole.units.numerators) / sum(whole.units.denominators) == pytest.approx(whole.value)


def test_a_limit_makes_another_metric(model, rows_file):
    few = provider(dataset=rows_file, limit=1).evaluate(model, NOTHING)
    assert set(few) == {"grammar[:1]", "grammar[:1]/syntax", "grammar[:1]/syntax_semantics"}
    assert few["grammar[:1]"].n == 3 and "the first 1 of each paradigm only" in few["grammar[:1]"].label.note
    whole = provider(dataset=rows_file).evaluate(model, NOTHING)
    assert set(few["grammar[:1]"].units.ids) < set(whole["grammar"].units.ids)


def test_a_target_after_two_contexts_counts_without_them(model, tmp_path):
    """EWoK's columns, by hand."""
    row = {"Domain": "space", "Context1": "The cup is on it.", "Context2": "The cup is under it."}
    row |= {"Target1": "We see the cup.", "Target2": "We do not."}
    metric = provider(dataset=str(jsonl(tmp_path / "items.jsonl", [row]))).evaluate(model, NOTHING)["items"]

    def nats(context, target):
        whole, given = model.score([f"{context} {target}", context])
        return whole.nats - given.nats

    c1, c2, t1, t2 = (row[key] for key in ("Context1", "Context2", "Target1", "Target2"))
    expected = [float(nats(c1, t1) < nats(c2, t1)), float(nats(c2, t2) < nats(c1, t2))]
    assert list(metric.units.numerators) == expected and metric.n == 1  # both belong to one item
    assert set(metric.details["paradigms"]) == {"space"}


def constant_model(folder):
    return LanguageModel.load(str(constant_llama(folder)), name="constant", device="cpu")


@pytest.mark.parametrize("suite", SUITES)
def test_a_constant_model_gets_one_half_of_our_suites(suite, tmp_path):
    metrics = provider(suite=suite).evaluate(constant_model(tmp_path / "model"), NOTHING)
    assert {metric.value for metric in metrics.values()} == {0.5}
    details = metrics[suite].details
    assert details["ties"] == details["pairs"] >= 100


def test_a_constant_model_gets_one_half_of_blimp(shared, tmp_path):
    metrics = provider(dataset=str(shared / "data/blimp")).evaluate(constant_model(tmp_path / "model"), NOTHING)
    assert metrics["blimp"].value == 0.5 and metrics["blimp"].details["ties"] == 10050


@pytest.mark.slow
def test_public_model_has_its_known_share_of_blimp(shared):
    model = LanguageModel.load(str(shared / "models/stories260K"), name="stories260K", device="cpu")
    metrics = provider(dataset=str(shared / "data/blimp")).evaluate(model, NOTHING)
    blimp = metrics["blimp"]
    assert blimp.value == pytest.approx(0.534, abs=0.002) and blimp.n == len(blimp.details["paradigms"]) == 67
    assert 0.03 < blimp.high - blimp.low < 0.15  # of 67 paradigms, not of 10,050 sentences
    assert blimp.details["pairs"] == 10050 and blimp.details["same_text_twice"] == 1 == blimp.details["ties"]
    fields = ("morphology", "semantics", "syntax", "syntax_semantics")
    assert set(metrics) == {"blimp", *(f"blimp/{field}" for field in fields)}


@pytest.mark.slow
def test_no_more_work_than_a_direct_batched_loop(shared, monkeypatch):
    """Positions that the model computes, against batches of 64 texts sorted by their true length."""
    model = LanguageModel.load(str(shared / "models/stories260K"), name="stories260K", device="cpu")
    fed = []
    model.model.register_forward_pre_hook(lambda *call: fed.append(call[2]["input_ids"].numel()), with_kwargs=True)
    built = provider(dataset=str(shared / "data/blimp"), limit=20)
    built.evaluate(model, NOTHING)
    texts = {text for pair in built.pairs for text in (pair.good, pair.bad)}
    lengths = sorted(1 + len(model.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
    batches = [lengths[i : i + 64] for i in range(0, len(lengths), 64)]
    assert sum(fed) <= 1.2 * sum(len(batch) * max(batch) for batch in batches)
    assert len(fed) <= 2 * len(batches)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "name one of suite"),
        ({"suite": "blimp", "dataset": "x"}, "name one of suite"),
        ({"suite": "reasonin"}, "did you mean 'reasoning'"),
        ({"suite": "factual", "limit": 0}, "at least 1"),
        ({"suite": "factual", "split": "test"}, "split: is for a dataset of one's own"),
        ({"dataset": "no/such/file.jsonl"}, "no/such/file.jsonl"),
    ],
)
def test_what_is_wrong_is_told_before_a_model_loads(options, message):
    with pytest.raises(RecipeError, match=message):
        provider(**options)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"good": "a", "bad": "b"}, "'sentence_good' is not there; the rows have good, bad"),
        ({"sentence_good": "A dog.", "sentence_bad": " "}, "row 1: 'sentence_bad' is not a text, or blank"),
        ({"sentence_good": None, "sentence_bad": "a"}, "row 1: 'sentence_good' is not a text, or blank"),
    ],
)
def test_rows_that_are_no_pairs_are_named(tmp_path, row, message):
    with pytest.raises(RecipeError, match=message):
        provider(dataset=str(jsonl(tmp_path / "rows.jsonl", [row])))


def test_columns_of_ones_own(model, tmp_path):
    file = jsonl(tmp_path / "rows.jsonl", [{"right": "A dog ran.", "wrong": "Ran dog a a a a."}])
    metrics = provider(dataset=str(file), good="right", bad="wrong", name="mine").evaluate(model, NOTHING)
    assert set(metrics) == {"mine"} and metrics["mine"].n == 1


def test_one_command_measures_and_keeps_the_pairs(in_process, tiny_model, stories_file, tmp_path):
    import pyarrow.parquet as pq

    recipe = tmp_path / "evaluation.yaml"
    metrics = [{"type": "minimal_pairs", "suite": suite} for suite in ("factual", "world_knowledge")]
    recipe.write_text(json.dumps({"model": str(tiny_model), "dataset": str(stories_file), "metrics": metrics}))
    done = in_process("evaluate", "--config", recipe, "--output_dir", tmp_path / "out", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    found = results["models"]["tiny"]
    assert set(found["metrics"]) == {"factual", "world_knowledge"}
    assert found["details"]["factual"]["paradigms"]["sounds"]["n"] >= 6
    rows = pq.read_table(tmp_path / "out" / "evidence.parquet").to_pylist()
    units = [row for row in rows if row["metric"] == "factual"]
    assert len(units) == found["details"]["factual"]["pairs"] and len({row["unit"] for row in units}) == len(units)
    mean = sum(row["numerator"] for row in units) / sum(row["denominator"] for row in units)
    assert mean == pytest.approx(found["metrics"]["factual"]["value"])
    metrics[0]["suite"] = "factial"
    recipe.write_text(json.dumps({"model": "no/model", "dataset": str(stories_file), "metrics": metrics}))
    done = in_process("evaluate", "--config", recipe, "--output_dir", tmp_path / "other")
    assert done.returncode == 2 and not (tmp_path / "other").exists()


def test_blimp_comes_from_the_hub_in_one_piece(python, tmp_path):
    """With the real clients and a stand-in for the Hub that has two of its folders."""
    upload = (
        "import sys; from datasets import Dataset; from huggingface_hub import HfApi; import io\n"
        "api = HfApi(); api.create_repo(sys.argv[1], repo_type='dataset')\n"
        "for uid in ('one', 'two'):\n"
        "    rows = [{'sentence_good': 'A dog ran.', 'sentence_bad': 'A ran dog.', 'field': 'syntax', 'UID': uid}]\n"
        "    file = io.BytesIO(); Dataset.from_list(rows).to_parquet(file)\n"
        "    path = uid + '/train-00000-of-00001.parquet'\n"
        "    api.upload_file(path_or_fileobj=file.getvalue(), path_in_repo=path, repo_id=sys.argv[1], repo_type='dataset')\n"
    )
    read = (
        "from silly_llm.data.sources import load_records; from silly_llm.evaluation.metrics import minimal_pairs as m\n"
        "rows = load_records(m.BLIMP | {'path': 'alice/blimp'}, split='train'); print(sorted(rows['UID']))"
    )
    with LocalHub(tmp_path / "hub") as hub:
        ours = {**hub.env(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
        python(upload, "alice/blimp", **ours)
        assert python(read, **ours).stdout.strip().splitlines()[-1] == "['one', 'two']"
    assert BLIMP["path"] == "nyu-mll/blimp"
