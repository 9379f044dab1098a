"""Sentences around the plot: openings, the verb's and the adjective's thread, quarrels, endings.

A thread takes a word from the beginning of a story to its end, by the kind of the word: each has sentences for the
beginning, the middle, a good end and a bad end, so that every requested word is said two or three times and matters.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thread:
    """What is said of a word; slots `{vp} {vped}` or `{adj} {a_adj} {toy}`, and those of a plot."""

    begin: tuple[str, ...]
    middle: tuple[str, ...]
    good_end: tuple[str, ...]
    bad_end: tuple[str, ...]
    middle_always: bool = False


OPENINGS = (
    "{Hero} was a little {boy} who lived near {place}.",
    "{Hero} lived in a small house by {place}.",
    "{Hero}, a little {boy}, lived close to {place}.",
    "Near {place}, there lived a little {boy} named {hero}.",
    "Not far from {place}, in a small house, lived {hero}, a little {boy}.",
    "There was a little {boy} named {hero} who lived by {place}.",
    "Everybody near {place} knew {hero}, a little {boy}.",
    "Do you know {hero}, the little {boy} from {place}?",
    "This is the story of {hero}, a little {boy} from {place}.",
    "By {place} stood a little house. {Hero}, a little {boy}, lived in it.",
    "The house by {place} had a blue door. Behind it lived {hero}, a little {boy}.",
    "{Hero} liked {his} home near {place}. {He} was a little {boy}.",
    "People near {place} often saw a little {boy} named {hero}.",
    "{Hero} was a {boy}, and {his} home was close to {place}.",
    "There once was a little {boy} by {place}. The name of the little {boy} was {hero}.",
    "Behind {place} was a small house where {hero} lived, a little {boy}.",
    "Who lived near {place}? It was {hero}, a little {boy}.",
    "Each morning, {hero} looked at {place}. {He} was a little {boy} and lived near it.",
    "{Mom} called {him} the best {boy} near {place}, but {his} name was {hero}.",
    "{Hero} was only {age} years old and lived near {place}.",
    "When {hero} was {age} years old, {he} lived near {place}.",
    "A little {boy} named {hero} lived by {place}.",
    "Little {hero} had a room with a view of {place}.",
    "From the window, {hero} could see {place}. {He} was a little {boy}.",
    "Once upon a time, a little {boy} named {hero} lived near {place}.",
)
PLACES = (
    "the hill", "the river", "the sea", "the woods", "the old mill", "the big lake", "the market", "the school",
    "the old tower", "the green park", "the farm", "the little bridge", "the church", "the mountains",
    "the train station", "the beach", "the long wall", "the castle", "the pond", "the big garden",
)  # fmt: skip
AGES = ("three", "four", "five", "six", "seven")
FRIENDS = (
    "{His} best friend was {friend}.",
    "{He} had a good friend named {friend}.",
    "{Friend} lived next door.",
)
TOYS = ("toy duck", "toy horse", "toy bear", "toy boat", "toy train", "toy rabbit")
MEETINGS = (
    "Then {friend} came by and saw {his} face.",
    "{Friend} came along and stopped.",
    "{Hero} ran to {friend} and told {fhim} about it.",
    "Just then, {friend} came around the corner.",
)
PRESENT = ("{Friend} saw it too.", "{Friend} wanted to help.")
"""Meetings with a friend who is there already."""
TALKS = (
    '"What is wrong?" asked {friend}. {line}. "{offer}," said {friend}.',
    '{line}. {Friend} thought for a moment. "{offer}," {fhe} said.',
    '"You do not look well," said {friend}. {line}. "{offer}!" said {friend}.',
    '{line}. "I see," said {friend}. "{offer}."',
    '"Can I help?" asked {friend}. {line}. "{offer}," said {friend}.',
)
"""`{line}` is what the hero says, with who says it."""
QUARRELS = (  # between friends
    "{Hero} wanted to {way1}, but {friend} wanted to {way2}. They began to argue and got very angry with each other. After a while, {friend} took a deep breath and held out {fhis} hand.",
    "{Friend} wanted to {way2}. {Hero} only wanted to {way1}. They had a big quarrel, and {hero} pushed {friend}. Then {he} said that {he} was sorry, and they shook hands.",
    "But they did not agree. {Hero} wanted to {way1}, {friend} wanted to {way2}, and soon there was a loud fight. In the end, they did a bit of both.",
    "{Hero} said that it was all {friend}'s fault. That was not fair, and they quarreled for a long time. Then both of them felt bad and made up.",
)
BULLIES = (
    "Then {other} came along and teased them. {Other} got in the way and would not let them pass. They argued until {friend} said stop, and {other} went away.",
    "{Other} from the next street saw it and was mean to them. {Hero} got angry at {ohim}, and they almost had a fight. {Friend} stepped between them, and {other} walked off.",
)
GOOD_ENDS = (
    "{Hero} told {mom} about it, and they both laughed. {He} was so proud.",
    "It had been a long day, but {hero} was happy and {friend} was happy too.",
    "They sat side by side and smiled. They were good friends.",
    "{Hero} smiled at {friend}. They were both happy.",
    "They laughed all the way home, tired and happy.",
    "That night, {hero} went to bed with a smile. {He} was happy.",
    "{Mom} hugged them both, and everybody was happy.",
    "{Hero} was proud and happy.",
    "{Hero} hugged {friend} and laughed.",
    "They were so glad that they laughed out loud.",
    "{Friend} and {hero} smiled. They were glad to be friends.",
)
BAD_ENDS = (
    "{Hero} sat on the step and cried. {He} felt very lonely and sad.",
    "{Mom} tried to help, but {hero} was too sad and only cried.",
    "{Hero} went home and cried. It was a sad night.",
    "{Hero} was sad for a very long time, and nothing could stop {his} tears.",
    "That night, {hero} cried in {his} bed. {Friend} was sad too.",
    "There was nothing they could do. {Hero} was sad and cried.",
    "It was a sad day. {Hero} cried, and {friend} did not know what to say.",
)
MORALS = (
    "{Hero} learned that {moral}.",
    "From that day on, {hero} always knew that {moral}.",
    "The moral of the story is that {moral}.",
    "And so {hero} and {friend} learned that {moral}.",
    "That day, {hero} learned a lesson: {moral}.",
)
QUARREL_MORALS = ("it is better to talk than to argue", "friends can quarrel and still make up")

VERBS = {
    "act": Thread(
        begin=(
            "{He} liked to {vp}.",
            "{He} liked to {vp} more than anything.",
            "Every day, {he} wanted to {vp}.",
            "{He} was learning to {vp}.",
            "{He} knew very well how to {vp}.",
        ),
        middle=(
            "There was no time to {vp} now.",
            "First came this, and then they could {vp}.",
            "{Hero} did not even think of how {he} {vped} on other days.",
            "They even {vped} for a bit to get new ideas.",
            "It is hard to {vp} when something is wrong.",
        ),
        good_end=(
            "Then they {vped} together.",
            "After that, {hero} {vped} with {friend}.",
            "That evening, {hero} {vped} once more.",
            "Now there was time to {vp}, and that was what they did.",
            "And because it was still light, they {vped}.",
        ),
        bad_end=(
            "They did not {vp} that day.",
            "Nobody wanted to {vp} that evening.",
            "{Hero} did not {vp} for a long time.",
        ),
    ),
    "oops": Thread(
        begin=(
            "Sometimes {he} {vped}, as all of us do.",
            "Now and then {he} {vped}, and everybody knew it.",
            "{He} was always a little afraid to {vp}.",
        ),
        middle=("In the rush, {hero} {vped}.", "{Hero} was so upset that {he} {vped}."),
        good_end=(
            "Later, {hero} {vped}, and they had to laugh about it.",
            "Then {hero} {vped}, but nobody cared.",
            "Later, {friend} {vped} too, and it was funny.",
        ),
        bad_end=("That evening, {hero} {vped} too.", "To make it worse, {friend} {vped}."),
    ),
    "sad": Thread(
        begin=(
            "{He} almost never {vped}.",
            "It took a lot to make {him} {vp}.",
            "On most days, nothing could make {him} {vp}.",
        ),
        middle=("{Hero} was so upset that {he} {vped}.", "It was so bad that {hero} {vped}."),
        good_end=(
            "Nobody {vped} any more.",
            "There was no need to {vp} any more.",
            "All at once, it was silly to {vp}.",
        ),
        bad_end=("That evening, {hero} {vped} for a long time.", "{Hero} {vped}, and {friend} {vped} too."),
        middle_always=True,
    ),
    "state": Thread(
        begin=("{He} {vped}.", "{He} {vped}, and {mom} did too."),
        middle=("Still, {hero} {vped}.",),
        good_end=("{Hero} {vped}, and now {friend} did too.", "And {hero} still {vped}, just as before."),
        bad_end=("{Hero} still {vped}, but that did not help now.",),
    ),
}

ADJECTIVES = {
    "glad": Thread(
        begin=("{Hero} felt {adj} that morning.", "{He} was {adj} on most days."),
        middle=("Now {hero} did not feel {adj} any more.", "It was hard to stay {adj} now."),
        good_end=("Now {hero} felt {adj} again.", "Both of them were {adj} again."),
        bad_end=("{Hero} did not feel {adj} any more.", "Nobody was {adj} now."),
    ),
    "low": Thread(
        begin=("{He} was not often {adj}.", "It took a lot to make {him} {adj}."),
        middle=("Now {hero} was {adj}.", "It made {hero} feel {adj}.", "By now, {hero} felt {adj}."),
        good_end=("{Hero} was not {adj} any more.", "Nobody was {adj} any more."),
        bad_end=("{Hero} was still {adj}.", "{Hero} was {adj} for many days."),
        middle_always=True,
    ),
    "trait": Thread(
        begin=("{He} was {a_adj} {boy}.", "{Mom} said that {he} was very {adj}."),
        middle=("{Friend} was {adj} too.", "{Hero} tried to be {adj}."),
        good_end=("Everybody saw how {adj} {hero} was.", "{Mom} said that they were both very {adj}."),
        bad_end=("It did not help to be {adj} now.", "{Hero} did not feel {adj} at all."),
    ),
    "flaw": Thread(
        begin=("Sometimes {he} was a little {adj}.", "On some days, {he} could be {adj}."),
        middle=("This was no time to be {adj}.",),
        good_end=("{Hero} did not want to be {adj} any more.", "Nobody was {adj} that evening."),
        bad_end=("{Hero} wished that {he} had been less {adj}.",),
    ),
    "thing": Thread(
        begin=("{He} always had {a_adj} {toy} with {him}.", "In {his} bag, {he} carried {a_adj} {toy}."),
        middle=("{Hero} held on to the {adj} {toy}.", "{Hero} looked at the {adj} {toy} and thought."),
        good_end=(
            "That night, the {adj} {toy} lay next to {his} pillow.",
            "{Hero} told the {adj} {toy} all about it.",
            "{Hero} let {friend} hold the {adj} {toy} for a while.",
        ),
        bad_end=("{Hero} held the {adj} {toy} and looked at the floor.",),
    ),
    "weather": Thread(
        begin=("It was {a_adj} morning.", "The days were long and {adj}."),
        middle=("They stood there in the {adj} air.",),
        good_end=("It was still {adj} outside.", "The {adj} day came to its end."),
        bad_end=("It was still {adj} outside.", "So the {adj} day came to its end."),
    ),
    "street": Thread(
        begin=("{His} house stood in {a_adj} street.", "The street in front of {his} house was very {adj}."),
        middle=("They looked up and down the {adj} street.",),
        good_end=("They walked home through the {adj} street.", "They danced down the {adj} street."),
        bad_end=("They walked home through the {adj} street and did not talk.",),
    ),
    "snack": Thread(
        begin=("{Mom} often made {a_adj} snack for {him}.", "In {his} bag, {he} had {a_adj} snack."),
        middle=("They shared {a_adj} snack and thought hard.",),
        good_end=("At home, {mom} made them {a_adj} snack.", "They ate {a_adj} snack and felt good."),
        bad_end=("Nobody wanted the {adj} snack that {mom} had made.",),
    ),
    "voice": Thread(
        begin=("{He} had {a_adj} voice.",),
        middle=("{Hero} spoke in {his} {adj} voice.",),
        good_end=(
            "{Hero} sang all the way home in {his} {adj} voice.",
            "All could hear {his} {adj} voice that evening.",
        ),
        bad_end=("{His} {adj} voice was gone, and {he} did not speak.",),
    ),
    "game": Thread(
        begin=("{He} knew {a_adj} game.", "{He} had made up {a_adj} game."),
        middle=("The {adj} game had to wait.",),
        good_end=(
            "At home, they played {a_adj} game.",
            "At home, {hero} showed {friend} the {adj} game.",
        ),
        bad_end=("Nobody played the {adj} game that evening.",),
    ),
    "day": Thread(
        begin=("{He} hoped for {a_adj} day.", "It began like {a_adj} day."),
        middle=("It did not look like {a_adj} day now.",),
        good_end=("It was {a_adj} day after all.", "What {a_adj} day it was!"),
        bad_end=("It was not {a_adj} day.",),
    ),
    "badday": Thread(
        begin=("{He} did not like {adj} days.", "{He} hoped that it would not be {a_adj} day."),
        middle=("What {a_adj} moment!",),
        good_end=("It was not {a_adj} day after all.",),
        bad_end=("What {a_adj} day it was!",),
    ),
}
