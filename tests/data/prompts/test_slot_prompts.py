"""Corpora other than stories: slots and features that the recipe names."""

import json
from collections import Counter

import pytest
from datasets import load_dataset
from locations import ROOT
from servers.scripted_llm import ScriptedLLM
from tiny import jsonl

from silly_llm.core.errors import RecipeError
from silly_llm.data.arguments import PromptSettings
from silly_llm.data.filters.base import FeaturesFilter
from silly_llm.data.prompts.slots import SlotPrompts, SlotsConfig
from silly_llm.data.vocabulary.lists import load_vocabulary

SLOTS = {"who": ["a mouse", "the moon", "a king"], "thing": ["cake", "boat"], "noun": "nouns"}
OWN = {"joke": "the letter has a joke", "greeting": "it begins with a greeting"}
TEMPLATE = "{{ who }} writes about {{ thing }} and {{ noun }}, with {{ words | join('+') }}. {{ feature_phrases | join('; ') }}"


def generator(slots=SLOTS, required=("thing", "noun"), **settings) -> SlotPrompts:
    settings = {"template": TEMPLATE, "feature_descriptions": OWN} | settings
    return SlotPrompts(SlotsConfig(slots, list(required)), PromptSettings(**settings), load_vocabulary())


def test_values_come_evenly_and_the_required_ones_are_the_words():
    prompts = generator()
    drawn = [prompts.prompt(0, index) for index in range(300)]
    assert Counter(p.fields["slots"]["who"] for p in drawn) == dict.fromkeys(SLOTS["who"], 100)
    assert len({tuple(p.fields["slots"].values()) for p in drawn}) == 300
    for prompt in drawn[:20]:
        assert list(prompt.words) == ["thing", "noun"]
        text = prompt.messages[0]["content"]
        assert f"with {'+'.join(prompt.words.values())}." in text and prompt.fields["slots"]["who"] in text
        assert [name for name in OWN if OWN[name] in text] == list(prompt.features)
    assert prompts.vocabulary_size == 2 + len(load_vocabulary().nouns)


def test_only_features_of_ones_own_are_asked_for_unless_ours_are_named():
    drawn = {name for i in range(100) for name in generator().prompt(0, i).features}
    assert drawn == {"joke", "greeting"}
    both = generator(features={"dialogue": 1.0, "joke": 1.0}).prompt(0, 0)
    assert both.features == ("dialogue", "joke")
    assert generator(feature_descriptions={}, template="{{ who }}").prompt(0, 0).features == ()


def test_values_of_a_file(tmp_path):
    file = tmp_path / "things.txt"
    file.write_text("a cake\n\n  a boat \na cake\n", encoding="utf-8")
    prompts = generator({"thing": str(file)}, ["thing"], template="{{ thing }}")
    assert {prompts.prompt(0, i).words["thing"] for i in range(8)} == {"a cake", "a boat"}
    assert SlotPrompts.inputs({"slots": {"thing": str(file), "noun": "nouns"}}) == [str(file)]


def test_examples_are_asked_for_in_the_same_way(tmp_path):
    cake = {"text": "Dear cake.", "words": ["a mouse", "cake", "owl"], "features": ["joke"]}
    boat = {"text": "Dear boat.", "prompt": "Write about a boat."}
    file = str(jsonl(tmp_path / "examples.jsonl", [cake, boat]))
    messages = generator(examples=file, num_examples=2).prompt(0, 0).messages
    asked = {messages[1]["content"]: messages[0]["content"], messages[3]["content"]: messages[2]["content"]}
    assert asked["Dear boat."] == "Write about a boat."
    assert asked["Dear cake."] == "a mouse writes about cake and owl, with cake+owl. the letter has a joke"


@pytest.mark.parametrize(
    ("slots", "required", "settings", "said"),
    [
        ({}, (), {}, "slots: is empty"),
        ({"who": []}, (), {}, "slots: who: expected texts, at least one"),
        ({"who": "no/such.txt"}, (), {}, "no/such.txt: cannot be read"),
        ({"words": ["a"]}, (), {}, "'words' cannot be the name"),
        ({"who": ["a"]}, ("whom",), {}, "unknown slot 'whom' (did you mean 'who'?)"),
        (SLOTS, (), {"template": "{{ thin }}"}, "unknown variable 'thin' (did you mean 'thing'?)"),
        (SLOTS, (), {"template": "A letter about a cake."}, "all prompts would be the same"),
        (SLOTS, (), {"features": ["jok"]}, "unknown feature 'jok' (did you mean 'joke'?)"),
    ],
)
def test_bad_slots_are_one_line(slots, required, settings, said):
    with pytest.raises(RecipeError) as error:
        generator(slots, required, **settings)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_own_features_are_found_by_patterns():
    story_filter = FeaturesFilter(patterns={"postscript": r"p\.\s?s\."})
    letter = {"text": "Dear Tom. P.S. I like you.", "features": ["postscript", "joke"]}
    assert story_filter.refuse(letter) is None
    assert story_filter.refuse(letter | {"text": "Dear Tom."}) == "postscript not found"
    with pytest.raises(RecipeError, match="patterns: postscript: is not a regular expression"):
        FeaturesFilter(patterns={"postscript": "("})


@pytest.mark.parametrize("name", ["tiny-letters", "tiny-recipes"])
def test_another_corpus_needs_only_a_recipe(tmp_path, silly_llm, name):
    """From the recipe in the tree to a dataset folder with its card, by a server."""
    recipe = ROOT / "recipes" / name / "generation.yaml"
    with ScriptedLLM(tmp_path) as server:
        environment = {"TEACHER_URL": f"{server.url}/v1", "TEACHER_MODEL": "scripted"}
        options = ["--num_stories", "60", "--output_dir", tmp_path / "out"]
        done = silly_llm("generate", "--config", recipe, *options, **environment)
        assert done.returncode == 0, done.stderr
    kind = name.removeprefix("tiny-")
    assert f"60 {kind} in" in done.stdout
    splits = load_dataset(str(tmp_path / "out"))
    kept = [row for split in ("train", "rejected") if split in splits for row in splits[split]]
    assert len({row["prompt"] for row in kept}) == len(kept) > 50
    assert all(len(row["words"]) == 1 and row["words"][0] in row["prompt"] for row in kept)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert f"# Silly {kind}" in card and f"A corpus of {kind}" in card
    statistics = json.loads((tmp_path / "out" / "statistics.json").read_text())
    own = {"joke", "weather", "postscript", "question", "no_fire", "helper", "wish"}
    assert set() < set(statistics["features_requested"]) <= own


def test_the_storyteller_says_that_it_writes_stories_only(tmp_path, in_process):
    recipe = ROOT / "recipes" / "tiny-letters" / "generation.yaml"
    done = in_process("generate", "--config", recipe, "--provider", "storyteller", "--output_dir", tmp_path / "out")
    assert done.returncode == 1 and "storyteller: cannot do the task 'text'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
