"""Every filter keeps a good story and refuses its kind of bad one."""

from __future__ import annotations

import pytest

from silly_llm import registry
from silly_llm.container import Container
from silly_llm.data.filters import reasons_against
from silly_llm.errors import RecipeError

GOOD = (
    "Once upon a time, there was a little dog named Max. Max liked to play in the green park near his small house. "
    "One day he ran after a red ball, and the ball rolled into the cold pond.\n\n"
    '"Oh no!" said Max. "How can I get it back?" He was sad and sat down under a tree. '
    "A kind duck heard him and swam to the middle of the water.\n\n"
    "The duck pushed the ball to him with her beak. Max was happy and said thank you. "
    "They played together until the sun went down, and then Max went home to sleep."
)


def story(text: str = GOOD, **more) -> dict:
    return {
        "id": more.pop("id", "1"),
        "text": text,
        "words": ["dog", "run", "sad"],
        "features": ["dialogue"],
        "finish_reason": "stop",
    } | more


def build(spec):
    return Container().build("story_filter", spec)


@pytest.mark.parametrize(
    "spec",
    [
        *(
            "length",
            "required_words",
            "features",
            "finish_reason",
            "repetition",
            "assistant_talk",
            "refusals",
        ),
        *("markup", "language", "difficulty", "profanity", "personal_data", "duplicates", "near_duplicates"),
    ],
)
def test_a_good_story_is_kept(spec):
    assert build(spec).refuse(story()) is None


@pytest.mark.parametrize(
    ("spec", "bad", "reason"),
    [
        ("length", story("Too short."), "fewer than 50 words"),
        ("length", story(GOOD * 10), "more than 500 words"),
        ({"type": "length", "max_words": 60}, story(), "more than 60 words"),
        ("length", story(""), "fewer"),
        ("required_words", story(words=["dog", "run", "purple"]), "1 of 3 words missing"),
        ("required_words", story(""), "3 of 3 words missing"),
        ("features", story(GOOD.replace('"', "")), "dialogue not found"),
        ("finish_reason", story(finish_reason="length"), "ended by 'length'"),
        ("repetition", story("He went to the park again. " * 12), "loops"),
        ("repetition", story((GOOD + " ") * 2), "repeats itself"),
        ("assistant_talk", story("Sure! Here is a story. " + GOOD), "talks about the task"),
        ("assistant_talk", story("Here's a short story for a child:\n\n" + GOOD), "talks about the task"),
        ("markup", story("**Max and the Ball**\n\n" + GOOD), "has markup"),
        ("markup", story("# Max\n" + GOOD), "has markup"),
        ("markup", story(GOOD + "\n- a dog\n- a duck"), "has markup"),
        ("markup", story("<p>" + GOOD + "</p>"), "has markup"),
        ("markup", story(GOOD + "<|im_end|>"), "has markup"),
        (
            "language",
            story("Es war einmal ein kleiner Hund, der hieß Max und spielte gern im Garten."),
            "unknown",
        ),
        ("language", story(GOOD + " Жил-был пёс"), "foreign characters"),
        ("language", story("Glorp snibble frandic wozzle the dog."), "unknown words"),
        (
            "difficulty",
            story("The melancholy canine contemplated its precarious predicament."),
            "too many hard",
        ),
        ("profanity", story(GOOD + " Damn, said Max."), "profanity"),
        ("personal_data", story(GOOD + " Write to max@dogs.org."), "email address"),
        ("personal_data", story(GOOD + " See www.dogs.org for more."), "web address"),
        ("personal_data", story(GOOD + " Call 555-123-4567 now."), "phone number"),
        ("personal_data", story(GOOD + " Her number was 123-45-6789."), "social security number"),
        ("personal_data", story(GOOD + " 4111 1111 1111 1111"), "card number"),
        ("personal_data", story(GOOD + " 192.168.0.1"), "IP address"),
        ("assistant_talk", story("Title: Max\n" + GOOD), "talks about the task"),
        (
            "assistant_talk",
            story(GOOD + "\n\nNote: I used the words dog, run and sad."),
            "talks about the task",
        ),
        ("assistant_talk", story(GOOD + "\n\nI hope you enjoy it!"), "talks about the task"),
        ("refusals", story("I'm sorry, but I can't write that."), "declines to write"),
        ("refusals", story("As an AI language model, I have no dog."), "declines to write"),
    ],
)
def test_a_bad_story_is_refused(spec, bad, reason):
    assert build(spec).refuse(bad).startswith(reason)


def test_options_loosen():
    assert (
        build({"type": "required_words", "max_missing": 1}).refuse(story(words=["dog", "purple", "sad"]))
        is None
    )
    assert (
        build({"type": "finish_reason", "allowed": ["stop", "length"]}).refuse(story(finish_reason="length"))
        is None
    )
    silent = story("Max slept.", features=["plot_twist", "dialogue"])
    assert build({"type": "features", "only": []}).refuse(silent) is None


def test_talk_inside_a_story_is_no_assistant_talk():
    for opening in (
        '"I am sorry," said Tom. ',
        '"Sure!" said Tom. ',
        '"Of course, I hope you like it," said Mom. ',
        "Tom was sure! ",
        "Here is the park, said Tom. ",
    ):
        assert build("assistant_talk").refuse(story(opening + GOOD)) is None


def test_duplicates_look_through_case_and_spaces_and_only_at_kept_stories():
    filters = [("duplicates", build("duplicates")), ("length", build("length"))]
    assert reasons_against(story("Short one."), filters) == (["length: fewer than 50 words"], None)
    assert reasons_against(story(), filters) == ([], None)
    copy = story(GOOD.upper().replace("\n\n", " ").replace(".", " ."), id="2")
    assert reasons_against(copy, filters) == (["duplicates: exact copy"], "1")


def test_all_reasons_are_given():
    filters = [(name, build(name)) for name in ("length", "finish_reason", "required_words")]
    assert len(reasons_against(story("No.", finish_reason="length"), filters).reasons) == 3


@pytest.mark.parametrize(
    "spec",
    [
        "lenght",
        {"type": "length", "min_word": 3},
        {"type": "features", "only": ["x"]},
        {"type": "length", "min_words": 9, "max_words": 1},
        {"type": "language", "language": "tlh"},
        {"type": "language", "max_unknown_words": 2},
        {"type": "difficulty", "max_share": -1},
        {"type": "near_duplicates", "threshold": 0},
    ],
)
def test_bad_options_are_recipe_errors(spec):
    with pytest.raises(RecipeError):
        registry.config_of("story_filter", spec)


def test_real_stories_pass_the_filters_of_content(tinystories):
    names = ("refusals", "assistant_talk", "markup", "language", "difficulty", "profanity", "personal_data")
    filters = [(name, build(name)) for name in names]
    refused = [
        name for text in tinystories for name in reasons_against(story(text, words=[]), filters).reasons
    ]
    assert len(refused) < 0.01 * len(tinystories)
