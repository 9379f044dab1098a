"""Every filter keeps a good story and refuses its kind of bad one."""

import json
import sys

import pytest
from locations import ROOT

from silly_llm.core import registry
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.data.filters.base import StoryFilter, reasons_against

sys.path.insert(0, str(ROOT / "scripts" / "benchmarks"))
import filters as benchmark

GOOD = (
    "Once upon a time, there was a little dog named Max. Max liked to play in the green park near his small house. "
    "One day he ran after a red ball, and the ball rolled into the cold pond.\n\n"
    '"Oh no!" said Max. "How can I get it back?" He was sad and sat down under a tree. '
    "A kind duck heard him and swam to the middle of the water.\n\n"
    "The duck pushed the ball to him with her beak. Max was happy and said thank you. "
    "They played together until the sun went down, and then Max went home to sleep."
)
SMOLLM2 = {
    "assistant_talk": [
        'The words "foggy" and "ankle" may not be familiar to your child, but they are no obstacle to the journey.',
        "In a short story, your main character, Emma, has two legs: one is red and one is blue.",
        "The day before the story began, the protagonist, a special person named the mother, put on her coat.",
        "This story is about a curious, hungry animal, and he loves to sell.",
        "The story begins with a lovely sailor, her name is Captain Blackbeard.",
    ],
    "difficulty": ["Once upon a time, there was a crispy stroller who liked to lower and the end was a stroller."],
    "profanity": ["She was a silly little bitch, with wheels and gears and made her own special way of sorting."],
}
"""Answers of SmolLM2-135M-Instruct, and the filter that refuses each."""
SPANISH = "Había una vez una niña que vivía con su madre en una casa cerca del bosque. Cada día iba al jardín y jugaba con su perro."


def story(text: str = GOOD, **more) -> dict:
    row = {"id": "1", "text": text, "words": ["dog", "run", "sad"], "features": ["dialogue"], "finish_reason": "stop"}
    return row | more


def build(spec):
    return Container().build("story_filter", spec)


@pytest.mark.parametrize(
    "spec",
    [
        *("length", "required_words", "features", "finish_reason", "repetition", "assistant_talk", "refusals"),
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
        ("language", story("Es war einmal ein kleiner Hund, der hieß Max und spielte gern im Garten."), "unknown"),
        ("language", story(GOOD + " Жил-был пёс"), "foreign characters"),
        ("language", story("Glorp snibble frandic wozzle the dog."), "unknown words"),
        ("difficulty", story("The melancholy canine contemplated its precarious predicament."), "too many hard"),
        ("profanity", story(GOOD + " Damn, said Max."), "profanity"),
        ("personal_data", story(GOOD + " Write to max@dogs.org."), "email address"),
        ("personal_data", story(GOOD + " See www.dogs.org for more."), "web address"),
        ("personal_data", story(GOOD + " Call 555-123-4567 now."), "phone number"),
        ("personal_data", story(GOOD + " Her number was 123-45-6789."), "social security number"),
        ("personal_data", story(GOOD + " 4111 1111 1111 1111"), "card number"),
        ("personal_data", story(GOOD + " 192.168.0.1"), "IP address"),
        ("assistant_talk", story("Title: Max\n" + GOOD), "talks about the task"),
        ("assistant_talk", story(GOOD + "\n\nNote: I used the words dog, run and sad."), "talks about the task"),
        ("assistant_talk", story(GOOD + "\n\nI hope you enjoy it!"), "talks about the task"),
        ("refusals", story("I'm sorry, but I can't write that."), "declines to write"),
        ("refusals", story("As an AI language model, I have no dog."), "declines to write"),
        ("refusals", story("I’m sorry, I cannot write a story about that."), "declines to write"),
        ("refusals", story("Unfortunately, I can't help with that."), "declines to write"),
        ("assistant_talk", story(GOOD + " Let me know if you would like another one."), "talks about the task"),
        ("assistant_talk", story(GOOD + "\n\nMoral value: Be kind."), "talks about the task"),
        ("assistant_talk", story("In this short story, a dog runs. " + GOOD), "talks about the task"),
        ("markup", story("```\n" + GOOD + "\n```"), "has markup"),
        ("markup", story(GOOD + " [a picture](dog.png)"), "has markup"),
        ("markup", story(GOOD.replace("\n\n", "\\n\\n")), "has markup"),
        ("language", story(SPANISH), "unknown words"),
        ("language", story("从前有一只小狗，名叫马克斯。"), "foreign characters"),
        ("profanity", story(GOOD + " The bastards ran."), "profanity"),
        ("profanity", story(GOOD + " It was BULLSHIT."), "profanity"),
        ("profanity", story(GOOD + " That was fucking cold."), "profanity"),
        ("personal_data", story(GOOD + " Call 555-1234."), "phone number"),
        ("personal_data", story(GOOD + " Call +49 (30) 123 4567."), "phone number"),
        ("required_words", story(GOOD, words=["ice cream"]), "1 of 1 words missing"),
        ("repetition", story(GOOD + " The dog said no to the duck." * 5), "loops"),
        ("repetition", story(GOOD + " The end, it said b" + "-b" * 40), "loops"),
    ],
)
def test_a_bad_story_is_refused(spec, bad, reason):
    assert build(spec).refuse(bad).startswith(reason)


@pytest.mark.parametrize(("spec", "text"), [(name, text) for name, texts in SMOLLM2.items() for text in texts])
def test_a_weak_teachers_answers_are_refused(spec, text):
    assert build(spec).refuse(story(text, words=[]))


@pytest.mark.parametrize(
    ("spec", "good"),
    [
        ({"type": "required_words", "max_missing": 1}, story(words=["dog", "purple", "sad"])),
        ({"type": "finish_reason", "allowed": ["stop", "length"]}, story(finish_reason="length")),
        ({"type": "features", "only": []}, story("Max slept.", features=["plot_twist", "dialogue"])),
        ("required_words", story("He ran over the biggest leaves.", words=["run", "big", "leaf"])),
    ],
)
def test_options_and_forms_loosen(spec, good):
    assert build(spec).refuse(good) is None


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("profanity", "The shaggy cat ate grass in class. The cockatoo asked the titmouse about Scunthorpe and the basement."),
        ("personal_data", "He counted 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15. It was 12:30 on 24-12-1999, and 1.5.2 cost 1000 to 2000."),
        ("personal_data", "The number was 4111 1111 1111 1112."),  # wrong check digit
        ("markup", "Tom & Jerry had 3 < 4 apples - and 2 * 2 pears #1."),
        ("refusals", '"I\'m sorry, but I can not come," said Max. ' + GOOD),
        ("refusals", "The robot said, it was an AI. " + GOOD),
        ("assistant_talk", '"I am sorry," said Tom. ' + GOOD),
        ("assistant_talk", '"Sure!" said Tom. ' + GOOD),
        ("assistant_talk", '"Of course, I hope you like it," said Mom. ' + GOOD),
        ("assistant_talk", "Tom was sure! " + GOOD),
        ("assistant_talk", "Here is the park, said Tom. " + GOOD),
    ],
)  # fmt: skip
def test_what_only_looks_bad_is_kept(spec, text):
    assert build(spec).refuse(story(text)) is None


def test_a_vocabulary_makes_its_words_easy(tmp_path):
    hard = "The melancholy wombats contemplated a precarious xylophone."
    assert build("difficulty").refuse(story(hard, words=[])) == "too many hard words"
    lists = {"nouns": ["wombat", "xylophone"], "verbs": ["contemplate"], "adjectives": ["melancholy", "precarious"]}
    path = tmp_path / "vocabulary.json"
    path.write_text(json.dumps(lists))
    story_filter = build({"type": "difficulty", "vocabulary": str(path)})
    assert story_filter.refuse(story(hard, words=[])) is None
    assert story_filter.inputs({"vocabulary": str(path)}) == [str(path)]
    strict = {"type": "difficulty", "vocabulary": str(path), "min_frequency": 9}
    assert build(strict).refuse(story(hard, words=[])) is None
    assert build(strict).refuse(story("The house and the garden.", words=[])) == "too many hard words"
    with pytest.raises(RecipeError, match="no such file"):
        build({"type": "difficulty", "vocabulary": str(tmp_path / "none.json")})


def test_the_storytellers_stories_pass_every_filter():
    ours = (c for c in registry.components("story_filter") if c.cls.__module__.startswith("silly_llm."))
    filters = [(c.name, build(c.name)) for c in ours if c.name != "decontamination"]
    rows = ({**row, "finish_reason": "stop", "id": str(i)} for i, row in enumerate(benchmark.told(1_000)))
    assert sum(bool(reasons_against(row, filters).reasons) for row in rows) <= 1  # two may be alike by chance


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
        {"type": "repetition", "n": 0},
        {"type": "repetition", "max_share": 1.5},
    ],
)
def test_bad_options_are_recipe_errors(spec):
    with pytest.raises(RecipeError):
        registry.parse_component("story_filter", spec)


def test_real_stories_pass_the_filters_of_content(tinystories):
    by_rules = ("refusals", "assistant_talk", "markup", "repetition")
    filters = [(name, build(name)) for name in (*by_rules, "language", "difficulty", "profanity", "personal_data")]
    refused = [name for text in tinystories for name in reasons_against(story(text, words=[]), filters).reasons]
    assert len(refused) < 0.01 * len(tinystories)


def test_a_filter_written_for_the_old_name_of_stateful_is_refused():
    with pytest.raises(TypeError, match=r"Seen: remembers is now called stateful"):
        type("Seen", (StoryFilter,), {"remembers": True})
