"""The storyteller: what 10,000 of its stories are like, and how it answers as a provider."""

import asyncio
import hashlib
import json
import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from silly_llm.core.container import Container
from silly_llm.providers.base import ChatRequest, Completion, RequestFailed
from silly_llm.providers.storyteller import PLOTS, Story, summarize, tell
from silly_llm.providers.storyteller.lexicon import POS, kind_of, lexicon
from silly_llm.text.features import FEATURES, detect_features
from silly_llm.text.inflection import includes_word, word_forms
from silly_llm.text.sentences import split_sentences
from silly_llm.text.words import tokenize_words

N = 10_000
Job = tuple[int, dict[str, list[str]], list[str]]


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    draw, drawn = random.Random(1), []
    for seed in range(N):
        words = {pos: [draw.choice(lexicon()[plural])] for pos, plural in POS.items()}
        drawn.append((seed, words, [feature for feature in FEATURES if draw.random() < 0.4]))
    return drawn


@pytest.fixture(scope="module")
def stories(jobs: list[Job]) -> list[Story]:
    return [tell(*job) for job in jobs]


def test_stories_plots_and_openings_differ(stories: list[Story]) -> None:
    assert len({story.text for story in stories}) == N
    counts = Counter(story.plot for story in stories)
    assert set(counts) == {plot.name for plot in PLOTS} and len(counts) >= 12
    assert counts.most_common(1)[0][1] < 0.15 * N
    for part in ("setup", "problem", "success", "failure", "twist", "sad_twist"):
        texts = [text for plot in PLOTS for text in getattr(plot, part)]
        assert len(set(texts)) == len(texts)
    openings = Counter(" ".join(tokenize_words(story.text.lower())[:5]) for story in stories)
    assert len(openings) >= 500 and openings.most_common(1)[0][1] <= 0.10 * N
    assert sum("once upon a time" in story.text.lower() for story in stories) < 0.06 * N


def test_lengths_paragraphs_and_a_small_vocabulary(stories: list[Story]) -> None:
    lengths = [len(story.text.split()) for story in stories]
    assert min(lengths) >= 100 and max(lengths) <= 250
    assert {len(story.text.split("\n\n")) for story in stories} == {3, 4, 5}
    assert len({word for story in stories for word in tokenize_words(story.text.lower())}) < 3000


def test_words_are_there_again_and_again(jobs: list[Job], stories: list[Story]) -> None:
    twice = 0
    for (_, words, _), story in zip(jobs, stories, strict=True):
        tokens = Counter(part for w in tokenize_words(story.text.lower()) for part in (w, w.removesuffix("'s")))
        for (word,) in words.values():
            assert includes_word(story.text, word), (word, story.text)
            twice += sum(tokens[form] for form in word_forms(word)) >= 2
    assert twice > 0.98 * 3 * N


def test_features_are_there_when_asked_for_and_not_otherwise(jobs: list[Job], stories: list[Story]) -> None:
    found = [detect_features(story.text) for story in stories]
    for feature in FEATURES:
        asked = [feature in seen for seen, (_, _, wanted) in zip(found, jobs, strict=True) if feature in wanted]
        other = [feature in seen for seen, (_, _, wanted) in zip(found, jobs, strict=True) if feature not in wanted]
        assert all(asked) and sum(other) < 0.01 * len(other), feature


def test_clean_text(stories: list[Story]) -> None:
    """No slot left, sentences begin with a capital, no word or sentence twice in a row, a and an in their places."""
    for story in stories:
        text = story.text
        assert not set("{}_") & set(text + story.summary)
        assert not any(mark in text for mark in ("  ", " .", " ,", "..")) and text.count('"') % 2 == 0
        sentences = split_sentences(text)
        assert all(re.match(r"[\"A-Z]", sentence) for sentence in sentences), text
        assert all(a != b for a, b in pairwise(sentences)), text
        assert not re.search(r"\b(?!had|that)(\w+) \1\b", text.lower()), text
        assert not re.search(r"\ba [aeio]\w|\ban [^aeiouh\W]", text.lower()), text


def test_summaries_are_one_line_and_name_the_noun(jobs: list[Job], stories: list[Story]) -> None:
    for story in stories:
        assert "\n" not in story.summary and story.summary.endswith(".")
    named = sum(includes_word(s.summary, w["noun"][0]) for s, (_, w, _) in zip(stories, jobs, strict=True))
    assert named > 0.9 * N


def test_same_story_in_another_process(jobs: list[Job], stories: list[Story], python) -> None:
    """Same bytes, whatever the hash seed."""
    code = "import json,sys; from silly_llm.providers.storyteller import tell; print(json.dumps([tell(*j).text for j in json.loads(sys.argv[1])]))"
    for hash_seed in ("1", "2"):
        done = python(code, json.dumps(jobs[:50]), PYTHONHASHSEED=hash_seed)
        assert json.loads(done.stdout) == [story.text for story in stories[:50]]


def test_stories_stay_what_they_are(stories: list[Story]) -> None:
    """Whoever changes plots or code on purpose writes the new digest here."""
    assert hashlib.sha256(repr(stories).encode()).hexdigest()[:16] == "0bf83c52a9fbcd38"


def test_order_of_features_does_not_matter() -> None:
    words = {"noun": ["ball"], "verb": ["run"], "adjective": ["red"]}
    assert tell(3, words, ["conflict", "dialogue"]) == tell(3, words, ["dialogue", "conflict"])
    assert tell(3, words, ["dialogue"]) != tell(4, words, ["dialogue"])


@pytest.mark.parametrize("word", ["wug", "ice cream", "justice", "sunglasses", "Eagle", "hour"])
def test_words_that_it_does_not_know(word: str) -> None:
    """Unknown words, and words in a part of speech where they are not listed, still make a story."""
    for seed in range(30):
        for pos in POS:
            story = tell(seed, {pos: [word]}, FEATURES)
            assert includes_word(story.text, word)
            assert detect_features(story.text) >= set(FEATURES)


def test_several_words_of_a_kind() -> None:
    words = {"noun": ["ball", "milk", "king"], "verb": ["run", "cry", "wash"], "adjective": ["red", "sad"]}
    for seed in range(30):
        text = tell(seed, words, []).text
        assert all(includes_word(text, word) for several in words.values() for word in several)


def ask(**fields: object) -> Completion | RequestFailed:
    request = ChatRequest(({"role": "user", "content": "Tell me a story."},), seed=5, fields=fields)
    return asyncio.run(Container().build("llm_provider", "storyteller").complete([request]))[0]


def test_story_request() -> None:
    answer = ask(task="story", words={"noun": "ball", "verb": "run", "adjective": "red"}, features=["dialogue"])
    assert answer.text == tell(5, {"noun": ["ball"], "verb": ["run"], "adjective": ["red"]}, ["dialogue"]).text
    assert answer.finish_reason == "stop" and answer.extra["summary"]
    assert (answer.prompt_tokens, answer.completion_tokens) == (4, len(answer.text.split()))
    assert ask(words=["ball", "run", "red"], features=("dialogue",)).text == answer.text
    assert len(ask().text.split()) >= 100, "without fields it chooses all itself"
    assert "{" not in ask(words={"noun": "{hero}", "verb": "{", "adjective": None}).text


@pytest.mark.parametrize("pos", POS)
def test_vocabulary_request(pos: str) -> None:
    words = ask(task="vocabulary", pos=pos, count=20).text.split("\n")
    assert len(set(words)) == 20 and set(words) <= set(lexicon()[POS[pos]])
    more = ask(task="vocabulary", pos=pos, count=20, exclude=words)
    assert not set(more.text.split("\n")) & set(words)
    assert more == ask(task="vocabulary", pos=pos, count=20, offset=20)
    assert ask(task="vocabulary", pos=pos, exclude=lexicon()[POS[pos]]).text == ""


def test_summary_request(stories: list[Story]) -> None:
    text = stories[0].text
    answer = ask(task="summary", text=text)
    assert answer.text == summarize(text) and answer.text in " ".join(text.split())
    assert summarize("") == ""


def test_requests_it_cannot_answer() -> None:
    needs = "storyteller: a vocabulary request needs pos, one of noun, verb, adjective"
    assert ask(task="vocabulary", pos="adverb") == RequestFailed(needs)
    assert isinstance(ask(task="judge"), RequestFailed)


def test_embedded_words() -> None:
    """About 1,500 real words, no word twice, each with a kind."""
    lists = {pos: lexicon()[plural] for pos, plural in POS.items()}
    words = [word for several in lists.values() for word in several]
    assert len(words) == len(set(words)) and 1400 <= len(words) <= 1600
    assert 650 <= len(lists["noun"]) <= 750 and len(lists["verb"]) >= 380 and len(lists["adjective"]) >= 340
    for pos, several in lists.items():
        assert several == sorted(several) and all(word.isalpha() and word.islower() for word in several)
        kinds = lexicon()["kinds"][POS[pos]]
        assert sorted(word for group in kinds.values() for word in group) == several
    assert set(lexicon()["objects"]) <= set(lists["verb"])
    assert all(any(kind_of("noun", noun) in plot.kinds.split() for plot in PLOTS) for noun in lists["noun"])
