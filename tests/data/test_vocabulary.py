"""`silly-llm vocabulary`: words checked with reasons, extended without asking for what is there, resumed after a kill."""

import json
from pathlib import Path

import pytest
from journals import kill
from locations import ROOT
from servers.scripted_llm import ScriptedLLM

from silly_llm.core.errors import RecipeError
from silly_llm.data.arguments import VocabularyArguments, WordChecks
from silly_llm.data.vocabulary.checks import reasons_to_refuse, syllables
from silly_llm.data.vocabulary.vocabulary import Search, main, parse_words, shares

REFUSED = {
    "format": ["banana split noun", "Tim noun", "don't verb"],
    "length": ["x noun", "grandmotherly adjective"],
    "syllables": ["refrigerators noun"],
    "frequency": ["xqzzw noun"],
    "profanity": ["shit noun", "fucking adjective"],
    "part of speech": [
        "and noun",
        "quickly noun",
        "quickly adjective",
        "kindness verb",
        "chair verb",
        "cup adjective",
    ],
}


@pytest.mark.parametrize(("check", "word"), [(check, word) for check, words in REFUSED.items() for word in words])
def test_each_check_refuses_with_its_reason(check, word):
    reasons = reasons_to_refuse(*word.rsplit(" ", 1), WordChecks())
    assert any(reason.startswith(check + ":") for reason in reasons), reasons


def test_good_words_pass():
    fit = {"noun": "dog milk run butterfly", "verb": "jump laugh fly tickle", "adjective": "happy warm friendly rapid"}
    assert not [w for pos, words in fit.items() for w in words.split() if reasons_to_refuse(w, pos, WordChecks())]


def test_checks_can_be_switched_off():
    off = WordChecks(1, None, None, None, False, False)
    assert not any(reasons_to_refuse(word, "verb", off) for word in ("x", "xqzzw", "damn", "because", "a" * 40))


def test_syllables():
    known = {1: "cake jumped tree whale bee", 2: "apple wanted table", 3: "banana elephant"}
    assert not [w for count, words in known.items() for w in words.split() if syllables(w) != count]


@pytest.mark.parametrize(
    "answer",
    [
        "dog\ncat\nhot dog",
        '["dog", "cat", "hot dog"]',
        '```json\n{"nouns": ["Dog", "cat", "hot dog"]}\n```',
        "dog, cat, hot dog.",
        "Here are some nouns:\n\n1. Dog\n2. cat\n3. **hot dog**",
        "- dog\n* cat\n• hot dog\n- dog",
    ],
)
def test_answers_in_many_forms_are_read(answer):
    assert parse_words(answer) == ["dog", "cat", "hot dog"]


def test_garbage_gives_no_words():
    assert parse_words("") == parse_words("[1, 2]") == parse_words("{}") == parse_words("x" * 100) == []


def test_shares_add_up():
    assert shares(10, {"nouns": 1, "verbs": 1, "adjectives": 1}) == {"noun": 4, "verb": 3, "adjective": 3}
    assert shares(1400, VocabularyArguments().proportions) == {"noun": 700, "verb": 350, "adjective": 350}


def test_words_are_taken_once_and_up_to_the_number_wanted():
    search = Search("noun", 2)
    search.consider(["dog", "dog", "xqzzw", "cat", "ball"], VocabularyArguments())
    assert search.accepted == ["dog", "cat"] and list(search.refused) == ["xqzzw"]


def run(output: Path, *options: object) -> dict:
    main([f"--output_dir={output}", *map(str, options)])
    return json.loads((output / "vocabulary.json").read_text())


def test_the_embedded_list_gives_a_vocabulary(tmp_path, capsys):
    words = run(tmp_path / "out", "--config", ROOT / "recipes/base/vocabulary.yaml")
    assert len(words["nouns"]) + len(words["verbs"]) + len(words["adjectives"]) == 1400
    assert all(entry["reasons"] for entry in words["refused"])
    said = capsys.readouterr().out
    assert "1400 words" in said and "silly-llm generate --config" in said


def test_another_seed_gives_its_own_words_whatever_the_folder_holds(tmp_path):
    run(tmp_path / "a", "--words=12", "--seed=0")
    changed, fresh = (run(tmp_path / name, "--words=12", "--seed=1") for name in ("a", "b"))
    assert changed == fresh and changed["provenance"]["kept_from_before"] == 0
    more = run(tmp_path / "a", "--words=20", "--seed=1")
    assert more["provenance"]["kept_from_before"] == 12 and set(fresh["nouns"]) <= set(more["nouns"])


def asking(server: ScriptedLLM, words: int) -> list[str]:
    provider = ["--provider.type", "openai", "--provider.base_url", server.url, "--provider.model", "scripted"]
    return [*provider, "--words", str(words), "--words_per_request", "10"]


def test_a_teacher_is_asked_only_for_what_is_missing(tmp_path):
    with ScriptedLLM(tmp_path) as server:
        first = run(tmp_path / "words", *asking(server, 24))
        assert (len(first["nouns"]), len(first["verbs"]), len(first["adjectives"])) == (12, 6, 6)
        bad = {"xqzzw", "damn", "a", "banana split", "extraterrestrially"}
        assert bad & {entry["word"] for entry in first["refused"]}
        asked = len(server.asked())

        second = run(tmp_path / "words", *asking(server, 32))
        for key in ("nouns", "verbs", "adjectives"):
            assert second[key][: len(first[key])] == first[key] and len(second[key]) > len(first[key])
        assert second["provenance"]["kept_from_before"] == 24 and len(server.asked()) > asked

        asked = len(server.asked())
        extended = run(tmp_path / "more", *asking(server, 24), "--extend", tmp_path / "words/vocabulary.json")
        assert len(server.asked()) == asked and extended["nouns"] == second["nouns"][:12]


def test_a_teacher_that_runs_dry_is_not_asked_for_ever(tmp_path, capsys):
    with ScriptedLLM(tmp_path) as server:
        run(tmp_path / "words", *asking(server, 400), "--patience", 2)
        assert "no new words came" in capsys.readouterr().out
        assert len(server.asked()) < 30


def test_killed_and_started_again_it_ends_the_same(tmp_path, silly_llm):
    with ScriptedLLM(tmp_path, latency=0.1) as server:
        calm = run(tmp_path / "calm", *asking(server, 48))
        alone, killed = len(server.asked()), tmp_path / "killed"
        command = ["vocabulary", *asking(server, 48), "--output_dir", str(killed)]
        kill(*command, when=lambda: len(server.asked()) > alone)
        assert not (killed / "vocabulary.json").exists()
        assert silly_llm(*command).returncode == 0
        assert json.loads((killed / "vocabulary.json").read_text()) == calm
        assert len(server.asked()) <= 2 * alone + 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--temperature", "-1"], "temperature: must be at least 0"),
        (["--words", "0"], "words: must be at least 3"),
        (["--proportions", "{nuons: 1}"], "proportions"),
        (["--checks.max_sylables", "3"], r"did you mean 'max_syllables'\?"),
        (["--extend", "no/such/file.json"], "no such file"),
        (["--provider.type", "storytelle"], r"did you mean 'storyteller'\?"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tmp_path, options, said):
    with pytest.raises(RecipeError, match=said) as error:
        run(tmp_path / "out", *options)
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()
