"""Things of a story, and whether they are introduced."""

from silly_llm.text.things import things


def test_a_thing_is_introduced_before_it_is_the_thing():
    story = "Ann had a red ball. The ball fell on her shoe. The sun was hot. The old kite flew over the two boats. A kite is fun."
    assert things(story) == {"ball": True, "shoe": True, "kite": False, "boat": True}


def test_no_thing_is_known_and_names_and_verbs_are_none():
    assert things("The sun shone on the park. Tim ran to play.") == {}
