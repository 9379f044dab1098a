"""What the rules see of the six features, in sentences that nobody wrote for them."""

from collections import Counter

import pytest

from silly_llm.text.features import detect_features

PLAIN = "Tom had a kite. One day the string broke and the kite flew off. He ran over the hill and found it in a bush. He smiled and went home, happy."
EXAMPLES = {
    "dialogue": [
        'Mia looked up. "Where are you?" she asked. He waved and they were happy.',
        "Mia looked up. “Come here!” she called. He came and they were happy.",
    ],
    "bad_ending": [
        "The bird was small. It flew too far. The cat was quick. It was too late, and the bird never came back. Everyone cried.",
        "They had a boat. It sank. Ben lost all his toys. He was not happy any more, and his mom was sad.",
    ],
    "moral_value": [
        "Sue took the ball. Ann was sad. Sue gave it back and they played. Sue learned that sharing is fun.",
        "Sue took the ball. Ann was sad. Sue gave it back. From that day on, she always asked first. They smiled.",
        "Tim ran off. His dad found him. They hugged. The moral of the story is to stay close. They were happy.",
    ],
    "plot_twist": [
        "A boy saw a stone in the pond. He threw a stick at it. To his surprise, the stone swam away. He laughed and was happy.",
        "A girl was afraid of the man. He had a big coat. It turned out that he was the baker. They laughed and were happy.",
    ],
    "foreshadowing": [
        "Ann went out to play in the sun. Little did she know that a storm was coming. The rain fell hard on her. She ran home to her dad. They drank tea and laughed. It was a happy day for both of them.",
        "Max packed a rope. He had a strange feeling that he would need it. On the hill, his dog fell in a hole. Max used the rope. The dog came out, and they were happy and went home to eat.",
    ],
    "conflict": [
        "Two girls saw a doll. They began to argue about it. Then they took turns and were happy.",
        "Ben was angry. He grabbed the car and ran. Later he brought it back and they were friends.",
        "The boys had a fight over the swing. Then they shared it and laughed.",
    ],
}


@pytest.mark.parametrize(("feature", "text"), [(f, text) for f, texts in EXAMPLES.items() for text in texts])
def test_a_rule_sees_its_feature_and_only_that(feature: str, text: str) -> None:
    assert detect_features(text) == {feature}


@pytest.mark.parametrize(
    "text",
    [
        *("", "...", PLAIN),
        "Zoe fell into the pool. Her dad helped her. She learned to swim and was happy.",  # a skill is no lesson
        'He had a dog called "Rex". They ran all day and were happy.',  # one quoted word is no speech
        "She cried. Her mom came. Nobody was sad any more. They laughed.",  # tears before the end, and a negation
        "But then, suddenly, it rained. They went home and smiled.",  # no twist
        "He was angry. Then he sat down and had tea and smiled.",  # one weak sign
    ],
)
def test_what_only_looks_like_a_feature(text: str) -> None:
    assert detect_features(text) == set()


def test_rates_on_tinystories_are_plausible(tinystories) -> None:
    """Two thirds speak, few end badly, and no rule fires everywhere (docs/storyteller.md has the rates)."""
    counts = Counter(feature for text in tinystories for feature in detect_features(text))
    rates = {feature: count / len(tinystories) for feature, count in counts.items()}
    assert 0.5 < rates["dialogue"] < 0.75
    assert 0.04 < rates["bad_ending"] < 0.15
    assert 0.15 < rates["moral_value"] < 0.35
    assert all(0.01 < rates[f] < 0.2 for f in ("plot_twist", "foreshadowing", "conflict"))
