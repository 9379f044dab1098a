import pytest
from tiny import jsonl

from silly_llm.core.errors import RecipeError
from silly_llm.evaluation.suites.beginnings import beginnings
from silly_llm.text.words import tokenize_words

TWO = ["The cat sat on", "A dog ran.\n\nThen it"]


def test_fifty_of_our_own_most_of_them_cut_mid_sentence():
    ours = beginnings()
    assert len(ours) == len(set(ours)) == 50
    assert sum(text[-1] not in ".!?" for text in ours) >= 40
    assert all(10 <= len(tokenize_words(text)) <= 90 and text == text.strip() for text in ours)


def test_none_is_the_papers(shared):
    paper = beginnings(str(shared / "data/prompts/tinystories_evaluation_prompts.yaml"))
    assert len(paper) == 44

    def runs(text):
        words = tokenize_words(text.lower())
        return {tuple(words[i : i + 8]) for i in range(len(words) - 7)}

    theirs = set().union(*map(runs, paper))
    assert not any(runs(text) & theirs for text in beginnings())


def test_none_is_a_training_story(shared):
    text = (shared / "data/tinystories/train.jsonl").read_text(encoding="utf-8")
    assert not any(beginning[-60:].replace('"', '\\"') in text for beginning in beginnings())


def test_ones_own_from_yaml_text_and_rows(tmp_path):
    (tmp_path / "own.yaml").write_text("- The cat sat on\n- |-\n  A dog ran.\n\n  Then it\n")
    (tmp_path / "own.txt").write_text("The cat sat on \n\nA dog ran. Then it\n")
    jsonl(tmp_path / "own.jsonl", [{"prompt": text, "text": "not this"} for text in TWO])
    assert beginnings(str(tmp_path / "own.yaml")) == beginnings(str(tmp_path / "own.jsonl")) == TWO
    assert beginnings(str(tmp_path / "own.txt")) == [TWO[0], "A dog ran. Then it"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a dog\n- ' '\n", "number 2 is blank"),
        ("- a dog\n- a cat\n- a dog\n", "number 3 is the same as number 1"),
        ("[]", "holds none"),
        ("{a: b}", "expected a list"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, content, message):
    (tmp_path / "own.yaml").write_text(content)
    with pytest.raises(RecipeError, match=message):
        beginnings(str(tmp_path / "own.yaml"))


def test_a_missing_file_and_column_are_named(tmp_path):
    with pytest.raises(RecipeError, match="no such file"):
        beginnings(str(tmp_path / "none.yaml"))
    with pytest.raises(RecipeError, match="expected a column prompt or beginning or text"):
        beginnings(str(jsonl(tmp_path / "own.jsonl", [{"story": "A dog"}])))
