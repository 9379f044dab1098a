"""Cards say honestly what a thing is, with a header that the Hub understands."""

from __future__ import annotations

from folders import generation_recipe, save_stories, save_tiny_model

from silly_llm.cards import PLACEHOLDER, dataset_card, hub_ids, quoted, size_category
from silly_llm.config import load_recipe
from silly_llm.data.instruction_arguments import InstructionArguments

SECRET = "sk-a-secret-of-another-service"


def test_dataset_card_is_what_the_hub_and_people_read(tmp_path):
    from huggingface_hub import DatasetCard

    stories = save_stories(tmp_path / "stories", tmp_path)
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
    provider = {
        "type": "openai",
        "model": "big-teacher",
        "base_url": f"http://host/{SECRET}",
        "api_key": "abc",
    }
    recipe = generation_recipe(tmp_path, provider=provider)
    card = dataset_card("stories", recipe, statistics={"splits": {"train": 5_000}})
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
    row = {
        "prompt": [{"role": "user", "content": "Words: cat"}],
        "completion": [{"role": "assistant", "content": "A cat."}],
        "text": "A cat.",
    }
    statistics = {
        "splits": {"train": {"examples": 12, "combinations": {"words": 12}}, "validation": {"examples": 0}}
    }
    card = dataset_card("instructions", recipe, statistics=statistics, sample=row)
    assert "**storyteller**" in card and "| train: combinations: words | 12 |" in card
    assert "> Words: cat" in card and "> A cat." in card and "| validation |" not in card


def test_model_card_header(tmp_path):
    from huggingface_hub import ModelCard

    model = save_tiny_model(tmp_path / "model", tmp_path)
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
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "stories").mkdir()
    weighted = [{"path": "a/b", "weight": 2}, "mine/stories", {"type": "mixture", "sources": ["c/d", "a/b"]}]
    assert hub_ids(weighted) == ["a/b", "c/d"]
    assert hub_ids("data/x.jsonl") == hub_ids("runs/quickstart") == hub_ids(None) == hub_ids("a/b/c") == []
