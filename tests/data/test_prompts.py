"""Prompts: all from (seed, index), every template checked before anything is sent."""

from __future__ import annotations

from collections import Counter

import pytest

from silly_llm.data.prompts import TEMPLATES, PromptSettings, TinyStoriesPrompts
from silly_llm.data.words import Vocabulary, load_vocabulary
from silly_llm.errors import RecipeError
from silly_llm.text.features import FEATURES

VOCABULARY = Vocabulary(("dog", "cake"), ("run", "jump", "sing"), ("red", "big"))


def generator(**settings) -> TinyStoriesPrompts:
    return TinyStoriesPrompts(PromptSettings(**settings), VOCABULARY)


def test_seed_and_index_alone_decide():
    first, again = generator(), generator()
    forward = [first.prompt(1, i) for i in range(50)]
    assert [again.prompt(1, i) for i in reversed(range(50))] == forward[::-1]
    assert [again.prompt(2, i) for i in range(50)] != forward
    assert len({(p.messages[0]["content"]) for p in forward}) > 25


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_name_words_and_features(name):
    prompts = generator(template=name, feature_probability=0.5)
    for index in range(30):
        prompt = prompts.prompt(0, index)
        text = prompt.messages[-1]["content"]
        assert prompt.template == name
        assert all(word in text for word in prompt.words.values())
        assert "{" not in text and "  " not in text


def test_features_come_by_their_probability():
    prompts = generator(features={"dialogue": 0.8, "plot_twist": 0.1})
    counts = Counter(name for i in range(2000) for name in prompts.prompt(0, i).features)
    assert set(counts) == {"dialogue", "plot_twist"}
    assert 0.75 < counts["dialogue"] / 2000 < 0.85 and 0.07 < counts["plot_twist"] / 2000 < 0.13
    assert set(generator(features=["conflict"], feature_probability=1).prompt(0, 0).features) == {"conflict"}
    assert generator(feature_probability=1).prompt(0, 0).features == tuple(FEATURES)
    assert generator(features=[]).prompt(0, 0).features == ()


def test_own_template_and_system_message():
    prompts = generator(
        template="Tell of {{ noun }}{% for f in features %}, {{ f }}{% endfor %}.", system="Be kind."
    )
    system, user = prompts.prompt(0, 0).messages
    assert system == {"role": "system", "content": "Be kind."}
    assert user["content"].startswith("Tell of ")
    assert prompts.prompt(0, 0).template.startswith("custom-")


def test_several_templates_are_drawn_from():
    prompts = generator(template=["guided", "bedtime"])
    assert {prompts.prompt(0, i).template for i in range(50)} == {"guided", "bedtime"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"template": "Tell of {{ nuon }}"}, "unknown variable 'nuon' (did you mean 'noun'?)"),
        ({"template": "tinystorys"}, "did you mean 'tinystories'?"),
        ({"template": "Tell of {{ noun"}, "template:"),
        ({"template": "Tell a story."}, "all prompts would be the same"),
        ({"template": "{{ noun.__class__.__mro__ }} x"}, "template:"),
        ({"template": ""}, "is empty"),
        ({"features": ["dialog"]}, "did you mean 'dialogue'?"),
        ({"features": {"dialogue": 1.5}}, "between 0 and 1"),
    ],
)
def test_bad_settings_are_one_line(settings, said):
    with pytest.raises(RecipeError) as error:
        generator(**settings)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_vocabularies_are_checked(tmp_path):
    file = tmp_path / "vocabulary.json"
    VOCABULARY.save(file)
    assert load_vocabulary(file) == load_vocabulary(tmp_path) == VOCABULARY
    assert len(load_vocabulary()) > 1000
    for content, said in (
        ("{", "JSON"),
        ('{"nouns": []}', "has no nouns"),
        ('{"nouns": ["a"]}', "'verbs'"),
        ("[1]", "list"),
    ):
        file.write_text(content)
        with pytest.raises(RecipeError, match=said):
            load_vocabulary(file)
    with pytest.raises(RecipeError, match="did you mean 'vocabulary"):
        load_vocabulary(tmp_path / "vocabulry.json")
