"""Damaged copies: each differs in the way it says, and only in that; equal random numbers give equal copies."""

import random
from collections import Counter

import pytest

from silly_llm.text.damage import ANY_LANGUAGE, DAMAGES, GRAMMAR_DAMAGES
from silly_llm.text.names import find_names
from silly_llm.text.sentences import split_sentences

STORY = (
    "Once upon a time, there was a girl named Lucy. Lucy had a small boat. One day, Lucy and her friend Tom went to a lake.\n\n"
    "Tom was happy. He said, “What a nice day!” Lucy walked into the water. She had an apple in her bag. "
    "Then Tom saw a duck.\n\nLucy smiled. The duck was hungry, so Lucy gave it the apple. Tom laughed. Lucy was tired, and they went home."
)
OTHER = (
    "A bear lived in a wood. He was old. One night, it snowed. He slept until the spring came. The bees sang to him."
)
ALL = {**DAMAGES, **GRAMMAR_DAMAGES}


def damaged(name: str, text: str = STORY, seed: int = 0) -> str:
    copy = ALL[name](text, random.Random(seed), [text, OTHER])
    assert copy is not None
    return copy


@pytest.mark.parametrize("name", ALL)
def test_differs_and_repeats(name):
    assert damaged(name) != STORY
    assert damaged(name) == damaged(name)
    assert len({damaged(name, seed=seed) for seed in range(20)}) > 1 or name in ("names_swapped", "glued", *ENDINGS)


ENDINGS = ("second_half_exchanged", "ending_exchanged")


def test_shuffled_sentences_are_the_same_ones():
    copy = damaged("sentences_shuffled")
    assert Counter(split_sentences(copy)) == Counter(split_sentences(STORY))
    assert copy.count("\n\n") == 2


def test_names():
    mentions = {name: len(at) for name, at in find_names(STORY).items()}
    swapped, renamed, replaced = map(damaged, ("names_swapped", "hero_renamed", "hero_replaced"))
    middle = STORY.index("Lucy walked")
    assert swapped[:middle] == STORY[:middle] and "Then Lucy saw a duck.\n\nTom smiled." in swapped
    assert len(find_names(renamed)) > 4 and "named Lucy" in renamed
    new = set(find_names(replaced)) - set(mentions)
    assert len(new) == 1 and "Lucy had a small boat" in replaced and f"{next(iter(new))} was tired" in replaced
    assert ALL["names_swapped"]("Lucy ran. Lucy sat.", random.Random(0), []) is None


def test_texts_of_another_story():
    assert damaged("glued") == f"{STORY}\n\n{OTHER}"
    assert damaged("second_half_exchanged").endswith("He slept until the spring came. The bees sang to him.")
    ending = damaged("ending_exchanged")
    assert ending.endswith("The bees sang to him.") and ending.startswith(STORY[:300])
    assert all(ALL[name](STORY, random.Random(0), [STORY]) is None for name in ("glued", *ENDINGS))


def test_truncated_within_a_sentence():
    copies = [damaged("truncated", seed=seed) for seed in range(50)]
    assert all(STORY.startswith(copy) and copy[-1].isalpha() and len(copy) < len(STORY) for copy in copies)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("agreement_broken", "Tom was happy", "Tom were happy"),
        ("articles_broken", "had a small boat", "had an small boat"),
        ("tense_broken", "Lucy walked into", "Lucy walk into"),
        ("word_order_broken", "the water", "water the"),
        ("function_words_broken", "went to a lake", "went a lake"),
    ],
)
def test_grammar(name, right, wrong):
    copies = [damaged(name, seed=seed) for seed in range(100)]
    assert any(wrong in copy for copy in copies) and any(right in copy for copy in copies)


def test_other_languages():
    story = "Había una vez un perro. El perro era feliz. Un día salió a la calle. Vio un gato. Los dos jugaron. Fue un buen día."
    assert all(ALL[name](story, random.Random(0), [story, OTHER]) for name in ANY_LANGUAGE)


def test_real_stories(tinystories):
    stories = tinystories[:100]
    for name, damage in ALL.items():
        copies = [damage(story, random.Random(name), stories) for story in stories]
        made = [(copy, story) for copy, story in zip(copies, stories, strict=True) if copy is not None]
        assert len(made) >= 25 and all(copy != story for copy, story in made), name
