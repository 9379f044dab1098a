"""Words of a text."""

from silly_llm.text.words import tokenize_words


def test_words_are_letters_with_apostrophes_and_hyphens_inside() -> None:
    text = "\"Don't,\" said Élan-Vital, 'it's 3 o’clock!' - ok_then"
    assert tokenize_words(text) == ["Don't", "said", "Élan-Vital", "it's", "o’clock", "ok", "then"]


def test_no_words() -> None:
    assert tokenize_words(" 12 … --- ' ") == []
