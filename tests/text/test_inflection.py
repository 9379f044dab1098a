"""Inflections, by table and by rule, of known and unknown words."""

import pytest

from silly_llm.providers.storyteller.lexicon import lexicon
from silly_llm.text.inflection import article, includes_word, inflect, with_article, word_forms

VERBS = """go went gone going goes|be was been being is|have had had having has|stop stopped stopped stopping stops
open opened opened opening opens|cry cried cried crying cries|play played played playing plays|fix fixed fixed fixing fixes
make made made making makes|lie lay lain lying lies|swim swam swum swimming swims|see saw seen seeing sees|put put put putting puts
panic panicked panicked panicking panics|visit visited visited visiting visits|begin began begun beginning begins
unwrap unwrapped unwrapped unwrapping unwraps|hurry hurried hurried hurrying hurries
watch watched watched watching watches|agree agreed agreed agreeing agrees|tiptoe tiptoed tiptoed tiptoeing tiptoes
blorp blorped blorped blorping blorps|snizz snizzed snizzed snizzing snizzes"""
PLURALS = """ball balls|box boxes|baby babies|toy toys|leaf leaves|child children|grandchild grandchildren|mouse mice|snowman snowmen
human humans|woman women|sheep sheep|fish fish|goldfish goldfish|bookshelf bookshelves|potato potatoes|piano pianos|roof roofs
stomach stomachs|pants pants|church churches|glass glasses|wug wugs|hero heroes|monkey monkeys"""
ADJECTIVES = """big bigger biggest|happy happier happiest|nice nicer nicest|good better best|bad worse worst|shy shyer shyest
gray grayer grayest|wet wetter wettest|cold colder coldest|simple simpler simplest"""
PHRASES = """an apple|an hour|a unicorn|an umbrella|an honest man|a one-way street|a use|an egg|a university|an unusual day
an uncle|a ball|a yellow egg"""
ADVERBS = "happy happily|quick quickly|gentle gently|good well|full fully|magic magically|early early"


def rows(lines: str, *forms: str):
    return [(row.split()[0], forms, row.split()[1:]) for row in lines.replace("\n", "|").split("|")]


@pytest.mark.parametrize(
    ("word", "forms", "expected"),
    [
        *rows(VERBS, "past", "participle", "ing", "third"),
        *rows(PLURALS, "plural"),
        *rows(ADJECTIVES, "comparative", "superlative"),
        *rows(ADVERBS, "adverb"),
    ],
)
def test_forms(word, forms, expected) -> None:
    assert [inflect(word, form) for form in forms] == expected


def test_unknown_form() -> None:
    with pytest.raises(ValueError, match="unknown form 'passt'; known: plural, past"):
        inflect("go", "passt")  # type: ignore[arg-type]


@pytest.mark.parametrize("phrase", PHRASES.replace("\n", "|").split("|"))
def test_article(phrase: str) -> None:
    a, _, rest = phrase.partition(" ")
    assert article(rest) == a
    assert with_article(rest) == phrase


def test_word_forms_do_not_make_other_words() -> None:
    for word, other in (("corn", "corner"), ("ear", "early"), ("show", "shower"), ("bet", "better")):
        assert other not in word_forms(word)
    assert {"slow", "slower", "slowest", "slowly"} <= word_forms("slow")
    assert {"lie", "lies", "lay", "lain", "lying", "lied"} <= word_forms("Lie")
    assert {"quiz", "quizzed", "quizzing", "quizzes"} <= word_forms("quiz")
    assert {"blorp", "blorped", "blorps", "blorping"} <= word_forms("blorp"), "words of no dictionary as well"


@pytest.mark.parametrize(
    ("text", "word", "there"),
    [
        ("The DOGS ran.", "dog", True),
        ("The dog's bowl", "dog", True),
        ("A hotdog", "dog", False),
        ("The dogma won.", "dog", False),
        ("cream ice", "ice cream", False),
        ("A merry-go-round.", "merry-go-round", True),
        ("They went home.", "go", True),
        ("She is here.", "be", True),
        ("Happily, he slept.", "happy", True),
        ("Two ice  creams", "ice cream", True),
        ("ice and cream", "ice cream", False),
        ("Three wugs!", "wug", True),
        ("a cat", "Cat ", True),
        ("", "cat", False),
    ],
)
def test_includes_word(text: str, word: str, there: bool) -> None:
    assert includes_word(text, word) is there


def test_forms_of_the_embedded_words_are_words() -> None:
    """No form is empty, doubled by accident (`openned`) or contains anything but letters."""
    for key in ("nouns", "verbs", "adjectives"):
        for word in lexicon()[key]:
            assert word in word_forms(word)
            assert all(form.isalpha() and form.islower() for form in word_forms(word)), word
    past = {verb: inflect(verb, "past") for verb in lexicon()["verbs"]}
    assert past["open"] == "opened" and past["deliver"] == "delivered" and past["hum"] == "hummed"
