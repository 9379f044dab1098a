"""`silly-llm vocabulary`: words checked with reasons, extended without asking for what is there, resumed after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from silly_llm.data.arguments import VocabularyArguments, WordChecks
from silly_llm.data.vocabulary.checks import reasons_to_refuse, syllables
from silly_llm.data.vocabulary.vocabulary import Search, main, parse_words, shares

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from scripted_llm import ScriptedLLM

REFUSED = {
    "format": ["banana split noun", "Tim noun", "don't verb"],
    "length": ["x noun", "grandmotherly adjective"],
    "syllables": ["refrigerators noun"],
    "frequency": ["xqzzw noun"],
    "profanity": ["shit noun", "fucking adjective"],
    "part of speech": [
        *("because noun", "quickly noun", "quickly adjective", "kindness verb", "chair verb", "jumped verb"),
        "milk adjective",
    ],
}


@pytest.mark.parametrize(("check", "word"), [(check, word) for check, words in REFUSED.items() for word in words])
def test_each_check_refuses_with_its_reason(check, word):
    reasons = reasons_to_refuse(*word.rsplit(" ", 1), WordChecks())
    assert any(reason.startswith(check + ":") for reason in reasons), reasons


@pytest.mark.parametrize(
    ("pos", "words"),
    [
        ("noun", "dog milk run butterfly"),
        ("verb", "jump laugh fly tickle"),
        ("adjective", "happy warm friendly rapid"),
    ],
)
def test_good_words_pass(pos, words):
    assert not any(reasons_to_refuse(word, pos, WordChecks()) for word in words.split())


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


def read(folder: Path) -> dict:
    return json.loads((folder / "vocabulary.json").read_text())


def test_the_embedded_list_gives_a_vocabulary(tmp_path, silly_llm):
    done = silly_llm("vocabulary", "--config", "recipes/base/vocabulary.yaml", "--output_dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    words = read(tmp_path / "out")
    assert len(words["nouns"]) + len(words["verbs"]) + len(words["adjectives"]) == 1400
    assert all(entry["reasons"] for entry in words["refused"])
    assert "1400 words" in done.stdout and "silly-llm generate --config" in done.stdout


def arguments(server: ScriptedLLM, output: Path, words: int = 24, *more: object) -> list[str]:
    provider = ["--provider.type", "openai", "--provider.base_url", server.url, "--provider.model", "scripted"]
    options = ["--words", words, "--words_per_request", 10, "--output_dir", output, *more]
    return ["vocabulary", *provider, *map(str, options)]


def test_another_seed_gives_its_own_words_whatever_the_folder_holds(tmp_path):
    def words(folder, seed, count=12):
        main([f"--output_dir={tmp_path / folder}", f"--words={count}", f"--seed={seed}"])
        return json.loads((tmp_path / folder / "vocabulary.json").read_text())

    words("a", 0)
    changed, fresh = words("a", 1), words("b", 1)
    assert changed == fresh and changed["provenance"]["kept_from_before"] == 0
    more = words("a", 1, 20)
    assert more["provenance"]["kept_from_before"] == 12 and set(fresh["nouns"]) <= set(more["nouns"])


def test_a_teacher_is_asked_only_for_what_is_missing(tmp_path, silly_llm):
    with ScriptedLLM(tmp_path) as server:
        output = tmp_path / "words"
        assert silly_llm(*arguments(server, output)).returncode == 0
        first = read(output)
        assert (len(first["nouns"]), len(first["verbs"]), len(first["adjectives"])) == (12, 6, 6)
        bad = {"xqzzw", "damn", "a", "banana split", "extraterrestrially"}
        assert bad & {entry["word"] for entry in first["refused"]}
        asked = len(server.asked())

        assert silly_llm(*arguments(server, output, 32)).returncode == 0
        second = read(output)
        for key in ("nouns", "verbs", "adjectives"):
            assert second[key][: len(first[key])] == first[key] and len(second[key]) > len(first[key])
        assert second["provenance"]["kept_from_before"] == 24
        assert len(server.asked()) > asked

        elsewhere = tmp_path / "more"
        asked = len(server.asked())
        assert silly_llm(*arguments(server, elsewhere, 24, "--extend", output / "vocabulary.json")).returncode == 0
        assert len(server.asked()) == asked and read(elsewhere)["nouns"] == second["nouns"][:12]


def test_a_teacher_that_runs_dry_is_not_asked_for_ever(tmp_path, silly_llm):
    with ScriptedLLM(tmp_path) as server:
        done = silly_llm(*arguments(server, tmp_path / "words", 400, "--patience", 2))
        assert done.returncode == 0, done.stderr
        assert "nothing new came any more" in done.stdout
        assert len(server.asked()) < 30


def test_killed_and_started_again_it_ends_the_same(tmp_path, silly_llm):
    with ScriptedLLM(tmp_path, latency=0.1) as server:
        calm, killed = tmp_path / "calm", tmp_path / "killed"
        assert silly_llm(*arguments(server, calm, 48)).returncode == 0
        alone = len(server.asked())
        command = [sys.executable, "-m", "silly_llm.cli", *arguments(server, killed, 48)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (killed / "journal.jsonl").exists() or not (killed / "journal.jsonl").stat().st_size:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (killed / "vocabulary.json").exists()
        assert silly_llm(*arguments(server, killed, 48)).returncode == 0
        assert (killed / "vocabulary.json").read_bytes() == (calm / "vocabulary.json").read_bytes()
        assert len(server.asked()) <= 2 * alone + 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--words", "0"], "words: must be at least 3"),
        (["--proportions", "{nuons: 1}"], "proportions"),
        (["--checks.max_sylables", "3"], "did you mean 'max_syllables'?"),
        (["--extend", "no/such/file.json"], "no such file"),
        (["--provider.type", "storytelle"], "did you mean 'storyteller'?"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tmp_path, silly_llm, options, said):
    done = silly_llm("vocabulary", "--output_dir", tmp_path / "out", *options)
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
