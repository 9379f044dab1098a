"""The cleaning of texts before the filters."""

import pytest

from silly_llm.core.errors import RecipeError
from silly_llm.data.filters.cleaning import clean, cleaning_of

STORY = 'Once a dog sat. "Hello," said Tom.\n\nThe end.'
TALK = '"Hello," said Tom. He sat.\n"Bye!"'
MARKUP = ["markup"]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (f"```\n{STORY}\n```", ["code_fences"]),
        (f"Here is the story:\n```text\n{STORY}\n```", ["code_fences"]),
        (f"# The Dog\n\n{STORY}", ["titles"]),
        (f"**The Dog**\n{STORY}", ["titles"]),
        (f"Title: The Dog\n\n{STORY}", ["titles"]),
        (f"**Title:** The Dog\n{STORY}", ["titles"]),
        (f"The Dog\n=======\n{STORY}", ["titles"]),
        (f"“{STORY}”", ["quotes"]),
        (f"```\n## The Dog\n«{STORY}»\n```", ["code_fences", "titles", "quotes"]),
        (STORY, []),
    ],
)
def test_what_stands_around_a_story_goes_and_is_named(text, steps):
    assert clean(text, cleaning_of(None, MARKUP)) == (STORY, steps)


@pytest.mark.parametrize(
    "text", [STORY, TALK, "“Hi,” said Tom. “Bye.”", "A ```dog``` sat.", "One dog sat.\nTwo cats sat.", "#"]
)
def test_clean_texts_stay(text):
    assert clean(text, cleaning_of(None, MARKUP)) == (text, [])


def test_a_title_stays_where_no_filter_refuses_it():
    text = "# Soup\n\nYou need: water."
    assert clean(text, cleaning_of(None, ["length"])) == (text, [])
    assert clean(text, cleaning_of(["titles"], ["length"]))[0] == "You need: water."


def test_patterns_of_the_recipe():
    dogs = {"pattern": "(d)og", "replacement": r"\1ug", "name": "dogs"}
    steps = cleaning_of([{"pattern": r"(?m)^Moral:.*$"}, dogs], [])
    assert clean("A dog.\nMoral: be good.", steps) == ("A dug.", ["/(?m)^Moral:.*$/", "dogs"])


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("title", "did you mean 'titles'"),
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": "a", "replacement": r"\2"}, "not a regular expression"),
        ({"patern": "a"}, "unknown key 'patern'"),
        ({"pattern": 3}, "must be texts"),
    ],
)
def test_a_wrong_step_is_one_line(step, said):
    with pytest.raises(RecipeError, match="cleaning") as raised:
        cleaning_of([step], [])
    assert said in str(raised.value)
