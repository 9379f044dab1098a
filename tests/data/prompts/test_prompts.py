"""Prompts: all from (seed, index), every template checked before anything is sent."""

from collections import Counter

import pytest
from tiny import jsonl

from silly_llm.core.errors import RecipeError
from silly_llm.data.arguments import PromptSettings
from silly_llm.data.prompts.base import TinyStoriesPrompts
from silly_llm.data.prompts.templates import TEMPLATES
from silly_llm.data.vocabulary.lists import Vocabulary, load_vocabulary
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
    prompts = generator(template="Tell of {{ noun }}{% for f in features %}, {{ f }}{% endfor %}.", system="Be kind.")
    system, user = prompts.prompt(0, 0).messages
    assert system == {"role": "system", "content": "Be kind."}
    assert user["content"].startswith("Tell of ")
    assert prompts.prompt(0, 0).template.startswith("custom-")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"template": "Tell of {{ nuon }}"}, "unknown variable 'nuon' (did you mean 'noun'?)"),
        ({"template": "tinystorys"}, "did you mean 'tinystories'?"),
        ({"template": "Tell of {{ noun"}, "template:"),
        ({"template": "Tell a story."}, "all prompts would be the same"),
        ({"template": "{{ noun.__class__.__mro__ }} x"}, "template:"),
        ({"template": ""}, "is empty"),
        ({"template": {"tinystories": 0}}, "weights"),
        ({"template": "no/such.jinja"}, "no/such.jinja: cannot be read"),
        ({"template": "haiko", "templates": {"haiku": "{{ noun }}"}}, "did you mean 'haiku'"),
        ({"features": ["dialog"]}, "did you mean 'dialogue'?"),
        ({"features": {"dialogue": 1.5}}, "between 0 and 1"),
        ({"feature_conflicts": [["bad_ending", "moral_valu"]]}, "did you mean 'moral_value'"),
        ({"feature_conflicts": [["dialogue"]]}, "pairs of two"),
        ({"max_features": -1}, "max_features"),
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
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_vocabulary(file) == VOCABULARY
    assert len(load_vocabulary()) > 1000
    with pytest.raises(RecipeError, match="did you mean 'vocabulary"):
        load_vocabulary(tmp_path / "vocabulry.json")


def test_of_conflicting_features_one_stays():
    pair = ["bad_ending", "moral_value"]
    features = {"bad_ending": 0.9, "moral_value": 0.3, "dialogue": 1.0}
    prompts = generator(features=features, feature_conflicts=[pair])
    counts = Counter(name for i in range(2_000) for name in prompts.prompt(0, i).features)
    assert not any(set(pair) <= set(prompts.prompt(0, i).features) for i in range(500))
    # 0.9 alone 63 %, both 27 % of which bad_ending keeps three in four; 0.3 alone 3 %.
    assert 0.80 < counts["bad_ending"] / 2_000 < 0.87 and 0.07 < counts["moral_value"] / 2_000 < 0.13
    limited = generator(feature_probability=1, max_features=2)
    assert all(len(limited.prompt(0, i).features) == 2 for i in range(50))
    assert len({limited.prompt(0, i).features for i in range(50)}) > 5


def test_templates_by_weight_by_own_name_and_from_a_file(tmp_path):
    file = tmp_path / "mine.jinja"
    file.write_text("A poem about a {{ noun }} that can {{ verb }}.\n", encoding="utf-8")
    own = {"haiku": "A haiku about a {{ adjective }} {{ noun }}."}
    prompts = generator(template={"tinystories": 3, "haiku": 1, str(file): 1}, templates=own)
    drawn = Counter(prompts.prompt(0, i).template for i in range(2_000))
    assert 0.55 < drawn["tinystories"] / 2_000 < 0.65 and 0.16 < drawn["haiku"] / 2_000 < 0.24
    assert len(drawn) == 3


def test_examples_come_before_the_request_as_turns(tmp_path):
    about = {"words": ["cat", "sit", "old"], "features": ["dialogue"]}
    file = jsonl(tmp_path / "examples.jsonl", ({"text": f"Story {i}.", **about} for i in range(4)))
    prompts = generator(examples=str(file), num_examples=2, system="Be kind.")
    prompt = prompts.prompt(0, 0)
    assert [message["role"] for message in prompt.messages] == ["system", *["user", "assistant"] * 2, "user"]
    assert all('"cat"' in message["content"] for message in prompt.messages[1:-1:2])
    assert all(word in prompt.messages[-1]["content"] for word in prompt.words.values())
    assert prompts.prompt(0, 0) == prompt
    assert len({prompts.prompt(0, i).messages[2]["content"] for i in range(40)}) == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"story": "x"}', "no column 'text'"),
        ('{"text": "x"}', "needs a column 'prompt' or 'words'"),
        ('{"text": "x", "prompt": "Tell!"}', "num_examples: 2 is more than the 1"),
        ("", "is empty"),
    ],
)
def test_bad_examples_are_one_line(tmp_path, content, said):
    file = tmp_path / "examples.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(RecipeError, match=said):
        generator(examples=str(file), num_examples=2)


WORD_LISTS = {
    "a.csv": "word,pos\ndog,noun\ncat,noun\nrun,verb\nred,adjective\n",
    "b.csv": "dog;nouns\r\ncat;Noun\r\nrun;verb\r\nred;adjective\r\n",
    "c.tsv": '\ufeff"dog"\tnoun\ncat\tnoun\n\nrun\tverb\nred\tadjective',
    "d.txt": "dog noun\ncat noun\nrun verb\nred adjective\n",
}


@pytest.mark.parametrize("name", WORD_LISTS)
def test_a_vocabulary_is_read_from_a_list_of_words(tmp_path, name):
    (tmp_path / name).write_text(WORD_LISTS[name], encoding="utf-8")
    words = load_vocabulary(tmp_path / name)
    assert (words.nouns, words.verbs, words.adjectives) == (("dog", "cat"), ("run",), ("red",))


def test_a_vocabulary_is_a_folder_with_a_text_file_a_part_of_speech(tmp_path):
    for name, words in {"nouns": "dog\ncat\n", "verbs": "run", "adjectives": "red\n\n"}.items():
        (tmp_path / f"{name}.txt").write_text(words)
    assert load_vocabulary(tmp_path).nouns == ("dog", "cat")
    (tmp_path / "verbs.txt").unlink()
    with pytest.raises(RecipeError, match="no such file"):
        load_vocabulary(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b"", "is not a JSON file"),
        ("a.json", b"{", "JSON"),
        ("a.json", b"{}", "'nouns' must be a list of words"),
        ("a.json", b'{"nouns": []}', "has no nouns"),
        ("a.json", b'{"nouns": ["a"]}', "'verbs'"),
        ("a.json", b"[1]", "list"),
        ("a.json", b'{"nouns":["a"],"verbs":["b"],"adjectives":["c"],"refused":[{}]}', "'refused' must be a list"),
        ("a.csv", "dog,noun\n".encode("utf-16"), "iconv -f UTF-16"),
        ("a.txt", b"dog\ncat\n", r"row 1: 'dog' is not a word with its part of speech; .*'dog,noun'"),
        ("a.csv", b"dog,nuon\n", "row 1: 'dog,nuon' is not a word"),
        ("a.csv", b"word,pos\ndog,noun\nrun,vreb\n", "row 3: 'run,vreb' is not a word"),
        ("a.csv", b"dog,noun\n", "has no verbs"),
        ("a.csv", b"caf\xe9,noun\n", r"is not UTF-8 text \(byte 3\); convert it"),
    ],
)
def test_lists_that_are_no_vocabulary_are_one_line(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecipeError, match=said):
        load_vocabulary(tmp_path / name)
