"""Stories that an evaluation knows are refused."""

from __future__ import annotations

import json

import pytest

from silly_llm.container import Container
from silly_llm.errors import RecipeError

TEXT = "One day a little fox found a shiny blue stone near the old bridge and took it home to her mother."


def build(tmp_path, lines, **options):
    file = tmp_path / "held-out.jsonl"
    file.write_text("\n".join(json.dumps({"text": line}) for line in lines), encoding="utf-8")
    return Container().build("story_filter", {"type": "decontamination", "dataset": str(file), **options})


def test_thirteen_words_in_a_row_are_too_many(tmp_path):
    story_filter = build(tmp_path, [TEXT])
    words = TEXT.split()
    assert story_filter.refuse({"text": "Before. " + " ".join(words[2:15]).upper() + " after."})
    assert story_filter.refuse({"text": "Before. " + " ".join(words[2:14]) + " after."}) is None
    assert story_filter.refuse({"text": "A story of its own."}) is None


def test_a_short_text_counts_as_a_whole(tmp_path):
    story_filter = build(tmp_path, ["The cat sat on Tom's hat.", TEXT])
    assert story_filter.refuse({"text": "Look! The cat sat on Tom's hat again."})
    assert story_filter.refuse({"text": "The cat sat on the mat."}) is None


def test_some_matches_may_be_allowed(tmp_path):
    assert build(tmp_path, [TEXT], max_matches=100).refuse({"text": TEXT}) is None
    assert build(tmp_path, [TEXT], ngram=3, max_matches=5).refuse({"text": TEXT})


@pytest.mark.parametrize(
    "options", [{"ngram": 0}, {"max_matches": -1}, {"column": "story"}, {"dataset": "no/such.jsonl"}]
)
def test_bad_options_are_recipe_errors(tmp_path, options):
    with pytest.raises(RecipeError):
        build(tmp_path, [TEXT], **options)


def test_the_evaluation_set_is_an_input_of_the_stories(tmp_path, silly_llm):
    file = tmp_path / "held-out.jsonl"
    file.write_text(json.dumps({"text": TEXT}), encoding="utf-8")
    filters = f"[{{type: decontamination, dataset: {file}}}]"
    command = ["generate", "--num_stories", 20, "--filters", filters, "--output_dir", tmp_path / "stories"]
    assert silly_llm(*command).returncode == 0
    assert "up to date" in silly_llm(*command).stdout
    file.write_text(json.dumps({"text": "The lazy dog."}), encoding="utf-8")
    assert "up to date" not in silly_llm(*command).stdout
