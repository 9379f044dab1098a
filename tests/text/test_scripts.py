"""Languages and scripts: words, forms, near-copies and features in each."""

from itertools import islice, permutations

import pytest

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.data.filters.base import reasons_against
from silly_llm.text.features import has_dialogue
from silly_llm.text.inflection import includes_word
from silly_llm.text.languages import Language, detect_language, standard
from silly_llm.text.sentences import split_sentences
from silly_llm.text.words import count_words, first_words, join_words, tokenize_words

TEXTS = {
    "en": "Once upon a time, there was a little dog named Max. He liked to run in the park with his friend Lily.",
    "es": "Había una vez un perro pequeño que se llamaba Max. Le gustaba correr por el parque con su amiga Lucía.",
    "pt": "Era uma vez um cachorrinho chamado Max. Ele gostava de correr no parque com sua amiga Lúcia.",
    "de": "Es war einmal ein kleiner Hund namens Max. Er lief gern mit seiner Freundin Lena durch den Park.",
    "zh": "从前有一只小狗，名叫小白。小狗跑得很快。它喜欢和朋友们在公园里玩。",
    "ja": "むかしむかし、小さな犬がいました。名前はポチでした。友だちと公園で走るのが大好きでした。",
    "ko": "옛날 옛적에 작은 강아지가 살았습니다. 친구와 공원에서 뛰는 것을 좋아했습니다.",
    "ru": "Жила-была маленькая собака по имени Шарик. Она любила бегать в парке со своей подругой.",
}
SENTENCES = ["小明去公园玩。", "他看见一只白猫。", "妈妈给他买了苹果。", "弟弟在家里睡觉。"]


@pytest.mark.parametrize(("code", "text"), TEXTS.items())
def test_a_language_is_found_in_a_few_sentences(code, text):
    assert detect_language([text]) == code


def test_of_programs_noise_mixtures_and_few_words_nothing_is_said():
    program = "def add(a, b):\n    return a + b\n\nfor i in range(10):\n    print(add(i, 2))\n"
    for texts in ([program], ["The cat sat."], ["1234 " * 30], [TEXTS["en"], TEXTS["es"]], []):
        assert detect_language(texts) is None
    assert [standard(code) for code in ("ES", "spa", "pt-br")] == ["es", "es", "pt-BR"]
    for code in ("English", "xx", ""):
        with pytest.raises(RecipeError, match="language code"):
            standard(code)


@pytest.mark.parametrize(
    ("text", "word", "language", "there"),
    [
        ("小狗跑得很快", "小狗", "zh", True),
        ("小狗跑得很快", "小猫", "zh", False),
        ("Los niños corrieron.", "correr", "es", True),
        ("El niño JUEGA con peces", "jugar", "es", True),
        ("El niño juega con peces", "pez", "es", True),
        ("las cancio\u0301nes de la nin\u0303a", "niña", "es", True),
        ("una casa", "caso", "es", False),
        ("un ano", "año", "es", False),
        ("Die Hunde liefen weg.", "Hund", "de", True),
        ("Она видела собаку", "собака", "ru", True),
        ("강아지가 뛰었다", "강아지", "ko", True),
        ("He ran with ice creams", "ice cream", "en", True),
    ],
)
def test_a_required_word_is_found(text, word, language, there):
    assert includes_word(text, word, language) is there
    container = Container().provide(Language, Language(language))
    required = container.build("story_filter", "required_words")
    assert (required.refuse({"text": text, "words": [word]}) is None) is there


def test_words_of_scripts_without_spaces_are_letters():
    assert count_words("小狗跑得很快。它笑了！") == 9 and count_words("one two, three") == 3
    assert tokenize_words("小狗 and Tom's cat") == ["小", "狗", "and", "Tom's", "cat"]
    assert tokenize_words("हिन्दी में कुत्ता") == ["हिन्दी", "में", "कुत्ता"]
    text = "\"Don't,\" said Élan-Vital, 'it's 3 o’clock!' - ok_then 12 … --- ' "
    assert tokenize_words(text) == ["Don't", "said", "Élan-Vital", "it's", "o’clock", "ok", "then"]
    assert first_words("从前有一只小狗，跑", 4) == "从前有一" and first_words("One  two three", 2) == "One  two"
    assert join_words(["从", "前", "Tom", "had"]) == "从前 Tom had"
    length = Container().build("story_filter", {"type": "length", "min_words": 20, "max_words": 100})
    assert length.refuse({"text": TEXTS["zh"]}) is None and length.refuse({"text": "小狗跑"})
    assert Container().build("story_filter", "repetition").refuse({"text": TEXTS["zh"]}) is None


def test_sentences_and_dialogue_of_other_languages():
    assert split_sentences("小狗跑。“你好！”它说。完了？") == ["小狗跑。", "“你好！”", "它说。", "完了？"]
    sentences = ["Hola.", "¿Qué tal?", "Élla ríe.", "«Sí.»", "Ойой.", "Он"]
    assert split_sentences(" ".join(sentences)) == sentences
    for text in ("他说：“你好！”", "「こんにちは。」", "«Hola, Ana», dijo.", "—¿Dónde estás?", "„Guten Tag!“"):
        assert has_dialogue(text), text
    assert not has_dialogue("他是“好人”") and not has_dialogue("No hay nadie aquí.")


def test_permutations_of_sentences_are_near_copies_and_other_german_stories_are_not():
    near = Container().build("story_filter", "near_duplicates")
    stories = ["".join(order) for order in islice(permutations(SENTENCES), 12)]
    verdicts = [reasons_against({"text": t, "id": str(i)}, [("near", near)]) for i, t in enumerate(stories)]
    assert [verdict.duplicate_of for verdict in verdicts] == [None, *["0"] * 11]
    assert not reasons_against({"text": TEXTS["zh"], "id": "z"}, [("near", near)]).reasons
    german = Container().provide(Language, Language("de")).build("story_filter", "near_duplicates")
    for noun, place in (("Hund", "Wald"), ("Vogel", "Garten"), ("König", "Turm")):
        text = f"Der {noun} ging in den {place}. Im {place} sah der {noun} einen Freund von dem {noun}."
        assert not reasons_against({"text": text, "id": noun}, [("near", german)]).reasons


def test_the_language_filter_needs_no_segmenter():
    for code, text in TEXTS.items():
        kept = Container().build("story_filter", {"type": "language", "language": code})
        assert kept.refuse({"text": text}) is None, code
        other = TEXTS["en" if code == "zh" else "zh"]
        assert kept.refuse({"text": other}), code
    assert Container().build("story_filter", "language").language == "en"
