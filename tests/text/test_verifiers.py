"""Checks of stories against what was asked for."""

import pytest

from silly_llm.text.verifiers import VERIFIERS, Held, verify

STORY = (
    "Once upon a time, Tim had two dogs. The dogs ran to Ann’s house.\n\n“What a nice dog!” said Ann. "
    "It was a café day. Tim was happy and they all smiled."
)


@pytest.mark.parametrize(
    ("name", "wanted", "held"),
    [
        ("words", ["dog", "run", "cat"], (2, 3)),
        ("exact_words", ["dog", "run", "DOGS"], (2, 3)),
        ("names", ["Tim", "Ann", "tim", "Ti"], (2, 4)),
        ("names", "Ann", (1, 1)),
        ("sentence", "The dogs ran  to Ann’s house.", (1, 1)),
        ("sentence", "Once upon a time, Tim had two dogs.", (0, 1)),
        ("sentence", "dogs ran to Ann’s house", (0, 1)),
        ("features", ["dialogue", "bad_ending", "unheard_of"], (1, 2)),
        ("ending", "happy", (1, 1)),
        ("ending", "sad", (0, 1)),
        ("ending", "Tim was happy and they all smiled.", (1, 1)),
        ("ending", "they all smiled.", (1, 1)),
        ("ending", "It was a café day.", (0, 1)),
        ("first_line", "Once upon a  time", (1, 1)),
        ("first_line", "Once upon a ti", (0, 1)),
        ("first_line", "One day", (0, 1)),
        ("word_count", (25, 35), (1, 1)),
        ("word_count", (1, 10), (0, 1)),
        ("sentence_count", (5, 6), (1, 1)),
        ("sentence_count", (6, 9), (0, 1)),
        ("occurrences", {"dog": 3, "Tim": 2, "house": 2}, (2, 3)),
    ],
)
def test_what_holds_of_a_story(name, wanted, held):
    assert VERIFIERS[name](STORY, wanted) == Held(*held)


def test_an_ending_without_glad_and_sad_words_is_neither():
    assert not VERIFIERS["ending"]("He had a box. It was red.", "happy")
    assert not VERIFIERS["ending"]("He had a box. It was red.", "sad")
    assert VERIFIERS["ending"]("He lost it. He cried and was very sad.", "sad")


def test_what_a_language_has_no_rules_for_is_not_asked():
    assert VERIFIERS["features"]("—Hola —dijo.", ["bad_ending", "dialogue"], "es") == (1, 1)
    assert VERIFIERS["ending"]("Todos lloraron.", "sad", "es").asked == 0
    assert VERIFIERS["words"]("Los perros corrieron.", ["perro"], "es") == (1, 1)
    assert VERIFIERS["names"]("小明有一只狗。", "小明", "zh") == (1, 1)


def test_all_types_at_once_that_ask_for_something_and_are_known():
    wanted = {"words": ["dog"], "features": [], "summary": "A dog.", "sentence": "No."}
    assert verify(STORY, wanted) == {"words": (1, 1), "sentence": (0, 1)}
    assert [bool(held) for held in verify(STORY, wanted).values()] == [True, False]
