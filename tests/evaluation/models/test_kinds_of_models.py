"""Models of every kind, and what is refused before one is loaded."""

import json
import shutil
from pathlib import Path

import pytest
from journals import kill
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from servers.scripted_llm import ScriptedLLM
from tiny import jsonl, tiny_tokenizer
from transformers import AutoModelForCausalLM, ByT5Tokenizer, GPT2Config, GPTNeoConfig, GPTNeoXConfig

from silly_llm.cli import main as cli
from silly_llm.core.errors import RecipeError, RunError
from silly_llm.evaluation.evaluate import main, model_entries
from silly_llm.evaluation.models.causal import LanguageModel
from silly_llm.evaluation.models.loading import check_model
from silly_llm.evaluation.models.recipes import recipe_of

SMALL = ["--num_stories", "6", "--max_new_tokens", "12", "--num_samples", "2", "--device", "cpu"]


def evaluate(output, *arguments):
    main([*map(str, arguments), "--output_dir", str(output), *SMALL])
    return json.loads((output / "results.json").read_text(encoding="utf-8"))


# What is refused ------------------------------------------------------------------------------------------------------


def no_tokenizer(folder):
    for file in folder.glob("tokenizer*"):
        file.unlink()


def tokenizer_of_python(folder):
    no_tokenizer(folder)
    ByT5Tokenizer().save_pretrained(folder)


def larger_tokenizer(folder):
    tiny_tokenizer([f"<|{i}|>" for i in range(100)]).save_pretrained(folder)


def not_finite(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def torn_weights(folder):
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])


def no_config(folder):
    (folder / "config.json").unlink()


def an_encoder(folder):
    (folder / "config.json").write_text('{"model_type": "bert", "architectures": ["BertForMaskedLM"]}')


def a_broken_config(folder):
    (folder / "config.json").write_text('{"model_type": ')


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_tokenizer, "bad: its tokenizer cannot be read"),
        (tokenizer_of_python, r"bad: needs a tokenizer\.json"),
        (larger_tokenizer, "bad: its tokenizer has ids up to 358, its embedding 300 rows"),
        (no_config, r"bad: holds no model \(no config.json\)"),
        (an_encoder, r"bad: is no causal language model \(bert\)"),
        (a_broken_config, "bad: cannot be read: .*config.json"),
    ],
)
def test_a_bad_model_is_one_line_before_weights_are_read(
    spoil, message, tiny_model, stories_file, tmp_path, monkeypatch
):
    spoil(folder := shutil.copytree(tiny_model, tmp_path / "bad"))
    monkeypatch.setattr(LanguageModel, "load", None)
    with pytest.raises(RecipeError, match=message) as caught:
        evaluate(tmp_path / "out", "--model", tiny_model, folder, "--dataset", stories_file)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(not_finite, "bad: its weights are not finite numbers (model.norm.weight)"), (torn_weights, "bad: cannot be lo")],
)
def test_weights_that_cannot_be_used_are_one_line(spoil, message, tiny_model, stories_file, tmp_path, capsys):
    spoil(folder := shutil.copytree(tiny_model, tmp_path / "bad"))
    arguments = ["--model", folder, "--dataset", stories_file, "--output_dir", tmp_path / "out"]
    with pytest.raises(SystemExit) as stopped:
        cli(["evaluate", *map(str, arguments), *SMALL])
    assert stopped.value.code == 2 and message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "config",
    [
        GPT2Config(n_positions=128, vocab_size=300),
        GPTNeoConfig(max_position_embeddings=128, vocab_size=300, num_layers=2, attention_types=[[["global"], 2]]),
        GPTNeoXConfig(max_position_embeddings=128, vocab_size=300),
    ],
    ids=lambda config: config.model_type,
)
def test_a_context_beyond_the_positions_is_known_from_the_configuration(config, tiny_model, tmp_path):
    config.save_pretrained(tmp_path / "m")
    for file in tiny_model.glob("tokenizer*"):
        shutil.copy(file, tmp_path / "m")
    (entry,) = model_entries(str(tmp_path / "m"))
    check_model(entry, 128)
    with pytest.raises(RecipeError, match="context: 512 is more than the 128 positions of m"):
        check_model(entry, 512)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": " "}, {"text": None}], "dataset: contains no stories: all 2 rows of 'text' are blank"),
        ([{"text": None}, {"text": None}], "dataset: contains no stories: all 2 rows"),
        ([{"text": 3}, {"text": 4}], "dataset: row 1: 'text' is a number"),
    ],
)
def test_texts_that_are_none_are_one_line(rows, message, tiny_model, tmp_path):
    file = jsonl(tmp_path / "texts.jsonl", rows)
    with pytest.raises(RecipeError, match=message):
        evaluate(tmp_path / "out", "--model", tiny_model, "--dataset", file)
    good = jsonl(tmp_path / "good.jsonl", [{"text": "A dog ran."}])
    spec = f"{{type: perplexity, name: odd, dataset: {file}}}"
    with pytest.raises(RecipeError, match=f"metrics: perplexity 'odd': {message}"):
        evaluate(tmp_path / "out", "--model", tiny_model, "--dataset", good, "--metrics", spec)
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number_names_model_and_document(model):
    broken = LanguageModel(AutoModelForCausalLM.from_config(model.model.config), model.tokenizer, "odd")
    broken.model.lm_head.weight.data[5] = float("inf")
    with pytest.raises(RunError, match=r"odd: the loss of the document that begins 'Once upon a time.' is (nan|inf)"):
        list(broken.score(["Once upon a time."]))


# Adapters and GGUF files ----------------------------------------------------------------------------------------------


@pytest.fixture
def adapter(tiny_model, tmp_path):
    """A LoRA adapter that changes the model, without a tokenizer of its own."""
    lora = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), lora).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_an_adapter_is_measured_with_its_base(adapter, model, stories):
    loaded = LanguageModel.load(str(adapter), name="adapter", device="cpu")
    ours, base = ([s.nats for s in m.score(stories)] for m in (loaded, model))
    assert loaded.vocabulary == model.vocabulary and sum(abs(a - b) for a, b in zip(ours, base, strict=True)) > 0.01


def test_an_adapter_without_its_base_or_that_is_none_is_one_line(adapter, stories_file, tmp_path):
    config = adapter / "adapter_config.json"
    content = config.read_text()
    moved = content.replace('"base_model_name_or_path": "/', '"base_model_name_or_path": "/gone/')
    for spoilt, message in [(moved, "its base model /gone/.*: no such"), ("{", "cannot be read")]:
        config.write_text(spoilt)
        with pytest.raises(RecipeError, match=f"model: adapter: {message}"):
            evaluate(tmp_path / "out", "--model", adapter, "--dataset", stories_file)
    assert not (tmp_path / "out").exists()


def test_a_gguf_file_that_is_none_is_one_line(stories_file, tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\x03\x00\x00\x00 and nothing more")
    (tmp_path / "story.txt").write_text("Once")
    for path, message in [
        (tmp_path / "bad.gguf", "model: bad: cannot be read"),
        (tmp_path / "gone.gguf", "gone.gguf: no such file"),
        (tmp_path / "story.txt", "a file, but no GGUF file"),
        (f"{{path: {tmp_path}, gguf_file: god.gguf}}", "god.gguf: no such file"),
    ]:
        with pytest.raises(RecipeError, match=message) as caught:
            evaluate(tmp_path / "out", "--model", path, "--dataset", stories_file)
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_real_gguf_file(tmp_path):
    from silly_llm.providers.local import SMOLLM2, TransformersConfig

    pytest.importorskip("gguf")
    try:
        folder, file = TransformersConfig(SMOLLM2).files()
    except RecipeError as error:
        pytest.skip(str(error))
    texts = jsonl(tmp_path / "t.jsonl", [{"text": "Once upon a time, there was a little girl named Lily."}] * 2)
    results = evaluate(tmp_path / "out", "--model", f"{folder}/{file}", "--dataset", texts, "--metrics", "perplexity")
    ((name, found),) = results["models"].items()
    assert name == Path(file).stem and found["details"]["parameters"] > 1e8
    assert 0.2 < found["metrics"]["bits_per_byte"]["value"] < 1.3


# Models behind an API -------------------------------------------------------------------------------------------------


def served(server, **more):
    provider = f"{{type: openai, base_url: '{server.url}/v1', model: scripted, first_wait: 0.01}}"
    return "{" + ", ".join([f"provider: {provider}", *(f"{key}: {value}" for key, value in more.items())]) + "}"


def test_a_model_behind_an_api_tells_stories_and_says_what_it_lacks(tiny_model, stories_file, tmp_path, capsys):
    with ScriptedLLM(tmp_path / "log") as server:
        models = ["--model", tiny_model, served(server, name="api")]
        results = evaluate(tmp_path / "out", *models, "--dataset", stories_file)
        asked = len(server.asked())
        found = results["models"]["api"]
        assert found["metrics"]["ends_by_itself"]["n"] == 6 and "bits_per_byte" not in found["metrics"]
        why = {"perplexity": "api is behind an API, which gives neither likelihoods nor weights"}
        assert found["not_measured"] == why and results["models"]["tiny"]["not_measured"] == {}
        line = f"api: perplexity not measured: {why['perplexity']}"
        assert line in capsys.readouterr().out and f"{line}." in results["notes"]
        assert "perplexity not measured" in (tmp_path / "out/report.html").read_text(encoding="utf-8")
        assert found["details"]["parameters"] is None and found["details"]["chat"] is True
        assert len({row["seed"] for row in server.asked()}) == asked  # each text its own
        evaluate(tmp_path / "out", *models, "--dataset", stories_file, "--title", "Again")
        assert len(server.asked()) == asked  # from the journal


def test_a_killed_evaluation_asks_nothing_again(stories_file, tmp_path):
    with ScriptedLLM(tmp_path / "log", latency=0.05) as server:
        arguments = ["--model", served(server), "--dataset", str(stories_file), "--output_dir", str(tmp_path / "out")]
        kill("evaluate", *arguments, *SMALL, when=lambda: len(server.asked()) >= 3)
        main([*arguments, *SMALL])
        seeds = [(row["prompt"], row["seed"]) for row in server.asked()]
    at_most_in_flight = len(seeds) - len(set(seeds))
    assert at_most_in_flight <= 8 and len(set(seeds)) >= 6
    assert json.loads((tmp_path / "out/results.json").read_text())["models"]["scripted"]["metrics"]


def test_budget_and_failures_of_an_api_are_one_line(stories_file, tmp_path):
    with ScriptedLLM(tmp_path / "log") as server:
        with pytest.raises(RunError, match="max_requests leaves no room"):
            evaluate(tmp_path / "a", "--model", served(server, max_requests=4), "--dataset", stories_file)
        assert len(server.asked()) == 4
        server.behave(fail=["400"], fail_rate=1.0)
        with pytest.raises(RunError, match="scripted"):
            evaluate(tmp_path / "b", "--model", served(server), "--dataset", stories_file)
        with pytest.raises(RecipeError, match="model: scripted: max_cost: needs prices"):
            evaluate(tmp_path / "c", "--model", served(server, max_cost=1), "--dataset", stories_file)
    assert not (tmp_path / "c").exists()
    with pytest.raises(RecipeError, match=r"model: provider: llm provider 'opanai'|did you mean 'openai'"):
        model_entries({"provider": {"type": "opanai"}})
    with pytest.raises(RecipeError, match="give either path or provider"):
        model_entries({"path": "someone/silly", "provider": "storyteller"})
    with pytest.raises(RecipeError, match="max_cost: means nothing for a path"):
        model_entries({"path": "someone/silly", "max_cost": 1})


def test_only_what_cannot_be_measured_is_an_error(stories_file, tmp_path):
    why = "nothing could be measured: scripted is"
    with ScriptedLLM(tmp_path / "log") as server, pytest.raises(RunError, match=why):
        evaluate(tmp_path / "out", "--model", served(server), "--dataset", stories_file, "--metrics", "perplexity")


# Other text, positions, recipes ---------------------------------------------------------------------------------------


def test_perplexity_of_other_text_stands_beside(tiny_model, stories_file, tmp_path):
    other = jsonl(tmp_path / "wiki.jsonl", [{"body": f"Article {i} on the river {i}."} for i in range(20)])
    wiki = f"{{type: perplexity, name: wiki, dataset: {other}, text_column: body, num_documents: 12}}"
    cut = "{type: perplexity, name: cut, window: cut}"
    metrics = ["--metrics", "perplexity", wiki, cut]
    results = evaluate(tmp_path / "out", "--model", tiny_model, "--dataset", stories_file, *metrics)
    found = results["models"]["tiny"]
    assert found["metrics"]["bits_per_byte@wiki"]["n"] == 12 and found["metrics"]["bits_per_byte"]["n"] == 8
    assert found["metrics"]["loss@wiki"]["label"]["name"] == "Loss per token: wiki"
    assert found["details"]["bits_per_byte@cut"]["documents_cut"] == 7
    assert not found["details"]["bits_per_byte"]["bytes_cut"]
    inputs = json.loads((tmp_path / "out/provenance.json").read_text())["inputs"]
    assert str(other) in inputs
    for wrong, message in [
        (["{type: perplexity, dataset: x.jsonl}"], "name: needed"),
        (["{type: perplexity, name: a, dataset: nowhere.jsonl}"], r"nowhere\.jsonl"),
        (["perplexity", "perplexity"], "two entries 'perplexity' have the same name"),
    ]:
        with pytest.raises(RecipeError, match=message):
            evaluate(tmp_path / "o2", "--model", tiny_model, "--dataset", stories_file, "--metrics", *wrong)


def test_the_curve_by_position_adds_up(model, stories):
    for text, score in zip(stories, model.score(stories), strict=True):
        assert sum(nats for nats, _ in score.curve) == pytest.approx(score.nats)
        assert sum(size for _, size in score.curve) == len(text.encode())
    text = stories[0]
    (score,) = model.score([text])
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert score.curve[0][1] == len(model.tokenizer.decode(ids[:8]).encode())
    (first,) = model.score([model.tokenizer.decode(ids[:8])])
    assert first.nats == pytest.approx(score.curve[0][0], abs=1e-4)


def test_recipes_are_told_apart_but_not_their_seeds(tmp_path):
    def trained(name, data="d1", base=None, **recipe):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        values = {"dataset": f"runs/{name}/stories", "output_dir": str(folder), "run_name": name, **recipe}
        inputs = {values["dataset"]: data}
        if base:
            values["model_name_or_path"], inputs[str(base)] = str(base), name
        (folder / "recipe.yaml").write_text(json.dumps(values))
        (folder / "provenance.json").write_text(json.dumps({"inputs": inputs}))
        return folder

    def digest(folder):
        return recipe_of(str(folder))["recipe_digest"]

    one, two = trained("one", seed=1, learning_rate=0.1), trained("two", seed=2, learning_rate=0.1)
    assert recipe_of(str(two)) == {"recipe_digest": digest(one), "seed": 2} and len(digest(one)) == 16
    assert digest(trained("other-rate", seed=1, learning_rate=0.2)) != digest(one)
    assert digest(trained("other-data", data="d2", seed=1, learning_rate=0.1)) != digest(one)
    tuned = [digest(trained(f"{base.name}-sft", base=base, seed=1)) for base in (one, two, tmp_path / "other-rate")]
    assert tuned[0] == tuned[1] != tuned[2]
    assert recipe_of("someone/silly-3m") == {"recipe_digest": None, "seed": None} == recipe_of(None)
