"""Cards say honestly what a thing is, with a header that the Hub understands."""

import pytest
import yaml
from folders import generation_recipe
from huggingface_hub import DatasetCard, ModelCard
from markdown_it import MarkdownIt

from silly_llm.core.config import load_recipe
from silly_llm.data.instructions.arguments import InstructionArguments
from silly_llm.data.prompts.templates import tells_tinystories
from silly_llm.hub.cards import PLACEHOLDER, dataset_card, hub_ids, model_card, quoted, size_category

SECRET = "sk-a-secret-of-another-service"


def test_dataset_card_is_what_the_hub_and_people_read(stories):
    card = DatasetCard.load(stories / "README.md")
    data = card.data.to_dict()
    assert data["license"] == "apache-2.0" and data["language"] == ["en"]
    assert data["task_categories"] == ["text-generation"] and data["size_categories"] == ["n<1K"]
    assert {"synthetic", "tinystories", "silly-llm"} <= set(data["tags"])
    text = " ".join(card.text.split())
    assert "not a language model" in text and "stand-in" in text
    assert "| rejected: length | 1 |" in card.text and "| tokens: completion | 12,345 |" in card.text
    assert "| time | 1 min 15 s |" in card.text
    assert "silly-llm generate --config mine/generation.yaml" in card.text
    assert "eldan2023tinystories" in card.text and f'load_dataset("{PLACEHOLDER}"' in card.text
    assert "> Once upon a time, there was a cat number 0." in card.text


def test_cards_do_not_call_a_language_model_a_storyteller_and_show_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("OTHER_API_KEY", SECRET)
    provider = {"type": "openai", "model": "big-teacher", "base_url": f"http://host/{SECRET}", "api_key": "abc"}
    recipe = generation_recipe(tmp_path, provider=provider)
    card = dataset_card("stories", recipe, tinystories=True, statistics={"splits": {"train": 5_000}})
    assert "`big-teacher`" in card and "storyteller" not in card
    assert "license: unknown" in card and "terms of the teacher" in card and "1K<n<10K" in card
    assert SECRET not in card and "abc" not in card


def test_instruction_card_names_the_teacher_of_its_stories(tmp_path):
    stories = tmp_path / "stories"
    stories.mkdir()
    (stories / "recipe.yaml").write_text("num_stories: 5\n")
    (stories / "provenance.json").write_text('{"phase": "generate"}')
    argv = ["--dataset", str(stories), "--output_dir", str(tmp_path / "out")]
    recipe = load_recipe(argv, phase="instruct", arguments=InstructionArguments)
    row = {"prompt": [{"role": "user", "content": "Words: cat"}], "text": "A cat."}
    row |= {"completion": [{"role": "assistant", "content": "A cat."}]}
    statistics = {"splits": {"train": {"examples": 12, "combinations": {"words": 12}}, "validation": {"examples": 0}}}
    card = dataset_card("instructions", recipe, statistics=statistics, sample=row)
    assert "**storyteller**" in card and "| train: combinations: words | 12 |" in card
    assert "> Words: cat" in card and "> A cat." in card and "| validation |" not in card


def test_model_card_header(model):
    data = ModelCard.load(model / "README.md").data
    assert data.library_name == "transformers" and data.pipeline_tag == "text-generation"
    assert data.base_model == "someone/base" and data.datasets == ["someone/stories"]
    results = {result.metric_type: result.metric_value for result in data.eval_results}
    assert results == {"bits_per_byte": 0.9, "loss": 1.5}
    text = (model / "README.md").read_text()
    assert "| bits per byte | 0.9 | 0.8 to 1 | 10 |" in text and r"A dog \*barked\*." in text
    assert '"role": "user"' in text


def test_size_categories_and_quotes():
    rows = (0, 999, 1000, 99_999, 1_000_000, 999_999_999, 10**9)
    expected = ["n<1K", "n<1K", "1K<n<10K", "10K<n<100K", "1M<n<10M", "100M<n<1B", "n>1B"]
    assert [size_category(n) for n in rows] == expected
    assert quoted("a\n\n# b") == "> a\n>\n> \\# b"


def test_hub_ids_are_told_from_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "stories").mkdir(parents=True)
    weighted = [{"path": "a/b", "weight": 2}, "mine/stories", {"type": "mixture", "sources": ["c/d", "a/b"]}]
    assert hub_ids(weighted) == ["a/b", "c/d"]
    assert hub_ids("data/x.jsonl") == hub_ids("runs/quickstart") == hub_ids(None) == hub_ids("a/b/c") == []


NAMES = ("a\n# b", "a|b", "<script>x</script>", "---\nlicense: mit", "`x`", "``x", "[x](javascript:1)", "a\u2028- b")
NAMES += ("```\n# c",)
"""What somebody calls a model, a dataset, a run or a tag, and what nobody should read as markup."""


def structure(markdown: str) -> list[str]:
    """What a Markdown parser sees, without texts and without what cards bring themselves."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    inner = [token.type for block in tokens for token in block.children or ()]
    plain = ("text", "softbreak", "text_special", "code_inline")
    return [token.type + token.tag for token in tokens] + [kind for kind in inner if kind not in plain]


def header_and_body(card: str) -> tuple[dict, str]:
    _, header, body = card.split("---\n", 2)
    return yaml.safe_load(header), body


def cards_with(name: str, folder) -> list[str]:
    """Cards of all kinds with a name everywhere where a name from outside may stand."""
    folder.mkdir()
    provider = {"type": "openai", "model": name, "base_url": "http://h"}
    generated = generation_recipe(folder, provider=provider, corpus=name, tags=[name])
    generated.run_name = name
    statistics = {"splits": {"train": 5}, "models": {name: 5}, name: {name: name}}
    sample = {"prompt": name, "text": f"Once.\n{name}\n\n    {name}"}
    told = {"tinystories": tells_tinystories(generated.args), "statistics": statistics, "sample": sample}
    stories = dataset_card("stories", generated, **told)
    tuned = generation_recipe(folder)
    tuned.phase, tuned.run_name = "sft", name
    tuned.values = {"model_name_or_path": name, "dataset": [name, {"path": name}]}
    tuned.values |= {"tags": [name], "sample_prompts": [name]}
    samples = [{"prompt": name, "completion": name}]
    return [stories, model_card(tuned, statistics={name: name}, metrics={name: 1.0}, samples=samples)]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_becomes_markup(name, tmp_path):
    plain = cards_with("plain", tmp_path / "plain")
    for card, like in zip(cards_with(name, tmp_path / "odd"), plain, strict=True):
        header, body = header_and_body(card)
        expected, its_body = header_and_body(like)
        assert header.keys() == expected.keys() and header["license"] == "unknown"
        assert structure(body) == structure(its_body)


def test_a_model_of_ones_own_text_claims_nothing(tmp_path):
    recipe = generation_recipe(tmp_path)
    recipe.phase, recipe.values = "pretrain", {"dataset": "notes.jsonl"}
    german = ["Der Vertrag wird zwischen den beiden Parteien geschlossen und gilt für die Dauer von zwei Jahren."]
    header, body = header_and_body(model_card(recipe, statistics={"parameters": 9}, texts=german * 3))
    assert header["license"] == "unknown" and header["tags"] == ["silly-llm"] and header["language"] == ["de"]
    assert "`notes.jsonl`" in body and "no license has been stated" in body
    for claim in ("TinyStories", "simple words", "stories", "child", "teacher"):
        assert claim not in body, claim
    assert "language" not in header_and_body(model_card(recipe, statistics={}))[0]
    recipe.values |= {"license": "cc0-1.0", "language": "pt-br", "tags": ["law"]}
    header, body = header_and_body(model_card(recipe, statistics={}, texts=german))
    assert (header["license"], header["language"], header["tags"]) == ("cc0-1.0", ["pt-BR"], ["silly-llm", "law"])
    assert "no license has been stated" not in body


def test_license_and_language_come_from_the_cards_of_the_data(tmp_path):
    for name, license in (("one", "mit"), ("two", "mit"), ("three", "cc0-1.0")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "README.md").write_text(f"---\nlicense: {license}\nlanguage: fr\ntags: [synthetic]\n---\n")
    one, two, three = (str(tmp_path / name) for name in ("one", "two", "three"))
    recipe = generation_recipe(tmp_path)
    recipe.phase = "pretrain"
    for source, license, tagged, language in (
        (one, "mit", True, ["fr"]),
        ([one, {"path": two}], "mit", True, ["fr"]),
        ([one, three], "unknown", True, ["fr"]),
        ([one, "x"], "unknown", False, None),
    ):
        recipe.values = {"dataset": source}
        header, _ = header_and_body(model_card(recipe, statistics={}))
        assert header["license"] == license and header.get("language") == language, source
        assert ("synthetic" in header["tags"]) is tagged, source
