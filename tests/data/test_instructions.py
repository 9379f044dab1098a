"""Phase 3: requests for stories, split so that nothing leaks."""

import json
import random
import re

import pytest
from datasets import load_dataset
from folders import contents
from journals import kill
from tiny import jsonl as write

from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.core.registry import resolve
from silly_llm.data.instructions.arguments import InstructionArguments
from silly_llm.data.instructions.instruct import RequestWriter, main
from silly_llm.data.instructions.split import story_id
from silly_llm.data.instructions.types import InstructionTypeConfig, Sentence, Story, Words
from silly_llm.providers.base import Completion, LLMProvider
from silly_llm.text.sentences import content_words, split_sentences

NAMES = ["Tom", "Mia", "Ben", "Lily", "Sam", "Anna", "Max", "Zoe"]
THINGS = ["ball", "kite", "boat", "cake", "drum", "hat", "lamp", "shell", "stone", "whistle"]


def make_story(index: int) -> dict:
    """A story whose middle sentences are its own and whose last one everybody shares."""
    rng = random.Random(index)
    name, thing = rng.choice(NAMES), rng.choice(THINGS)
    text = (
        f"Once there was a child called {name}. {name} found {thing} number {index} under the old bridge.\n\n"
        f'"What a lovely {thing}!" said {name} on day {index}. The rain washed away {index} little leaves. '
        "Everybody laughed and went home."
    )
    row = {"text": text, "words": [thing, "find", "lovely"], "features": ["dialogue"] if index % 2 else []}
    return row | {"summary": f"{name} finds {thing} number {index}."}


@pytest.fixture
def stories(tmp_path):
    return write(tmp_path / "stories.jsonl", map(make_story, range(300)))


def instruct(dataset, folder, *more):
    """Run the phase and give back its splits."""
    main(["--dataset", str(dataset), "--output_dir", str(folder), *map(str, more)])
    return load_dataset(str(folder))


def request_writer(**keys) -> RequestWriter:
    args = InstructionArguments(dataset="-", **keys)
    return RequestWriter({n: resolve("instruction_type", n)(InstructionTypeConfig()) for n in args.types}, args)


def test_sentences_keep_their_quotation_marks_and_words_are_neither_names_nor_function_words():
    text = 'Once upon a time. "Stop!" said Mr Fox. "Why?" asked Tom.\n\nThe end'
    assert split_sentences(text) == ["Once upon a time.", '"Stop!" said Mr Fox.', '"Why?" asked Tom.', "The end"]
    words = content_words("Then Tom and Mia saw the yellow boat and they were happy.", random.Random(0))
    assert set(words) == {"yellow", "boat", "happy"} and content_words("Tom and Mia went.", random.Random(0)) == ()


def test_every_choice_derives_from_seed_story_and_number():
    story = Story(text=make_story(1)["text"], story_id="a", words=("ball", "find", "lovely"), summary="A ball.")
    rows = [request_writer(seed=1).row(story, k, "train") for k in range(40)]
    again = [request_writer(seed=1).row(story, k, "train") for k in reversed(range(40))]
    assert rows == again[::-1]
    assert rows != [request_writer(seed=2).row(story, k, "train") for k in range(40)]
    assert len({tuple(row["types"]) for row in rows}) >= 6  # random subsets of three
    assert len({row["prompt"][0]["content"] for row in rows}) >= 30


def test_sentence_is_never_the_first():
    text = "It was day. Tom ran to the house. It was day."
    written = {Sentence(InstructionTypeConfig()).value(Story(text, "a"), random.Random(i)) for i in range(50)}
    assert written == {"Tom ran to the house."}


def test_rows_lacking_what_a_type_needs_do_not_get_it():
    bare = Story(text="Once there was a big red dog. The dog ran to the green garden.", story_id="a")
    rows = [request_writer().row(bare, k, "train") for k in range(50)]
    assert {name for row in rows for name in row["types"]} == {"words", "sentence"}
    for row in rows:
        for word in row["words"]:
            assert word in row["prompt"][0]["content"] and word in bare.text
    empty = Story(text="Tom ran.", story_id="b")
    assert request_writer().row(empty, 0, "train") is None


def test_own_phrasings():
    words = Words(InstructionTypeConfig(phrasings=["Mit den Wörtern {value}"]))
    assert words.write(Story("x", "a", words=("Hund", "laufen")), random.Random(0)) == "Mit den Wörtern Hund, laufen"


@pytest.fixture(scope="module")
def derived(tmp_path_factory):
    """A folder of instructions with a held-out combination, and its splits."""
    folder = tmp_path_factory.mktemp("derived")
    stories = write(folder / "stories.jsonl", map(make_story, range(300)))
    options = ("--hold_out", "words", "summary", "--validation_fraction", 0.2, "--examples_per_story", 2)
    return folder / "out", instruct(stories, folder / "out", *options)


def test_columns_and_split(derived):
    folder, splits = derived
    columns = ["prompt", "completion", "messages", "types", "words", "features", "summary", "text", "story_id"]
    assert splits["train"].column_names == columns
    assert 400 < len(splits["train"]) <= 520 and 30 <= len(splits["validation"]) <= 90
    for row in [*splits["train"], *splits["validation"]]:
        assert row["messages"] == row["prompt"] + row["completion"]
        assert row["completion"] == [{"role": "assistant", "content": row["text"]}]
        assert row["types"] and row["story_id"] == story_id(row["text"])
        if "words" in row["types"]:
            assert f"Words: {', '.join(row['words'])}" in row["prompt"][0]["content"]
    statistics = json.loads((folder / "statistics.json").read_text())
    assert statistics["splits"]["train"]["examples"] == len(splits["train"])


def test_validation_does_not_leak(derived):
    train, validation, held_out = (derived[1][split] for split in ("train", "validation", "held_out"))
    trained_on = " ".join(train["text"]) + " ".join(m[0]["content"] for m in train["prompt"])
    assert not set(train["story_id"]) & set(validation["story_id"])
    asked = "\n".join(m[0]["content"] for m in [*validation["prompt"], *held_out["prompt"]])
    quoted = re.findall("(?:Sentence|Summary): (.*)", asked)
    assert len(quoted) > 60 and not any(value in trained_on for value in quoted)


def test_held_out_combination(derived):
    train, validation, held_out = (derived[1][split] for split in ("train", "validation", "held_out"))
    assert len(held_out) == len(set(validation["story_id"]))
    assert all(row["types"] == ["summary", "words"] for row in held_out)
    assert not any({"words", "summary"} <= set(row["types"]) for row in [*train, *validation])


def test_own_validation_split_wins_and_loses_no_story_to_training(tmp_path):
    rows = [make_story(i) for i in range(60)]
    copy = {**rows[3], "text": "  " + rows[3]["text"].replace("\n\n", "\n")}  # the same story, other white space
    write(tmp_path / "stories" / "train.jsonl", [*rows[:50], copy])
    write(tmp_path / "stories" / "validation.jsonl", [*rows[50:], rows[3], rows[3]])
    splits = instruct(tmp_path / "stories", tmp_path / "out")
    assert set(splits["validation"]["story_id"]) == {story_id(r["text"]) for r in [*rows[50:], rows[3]]}
    assert len(splits["train"]) == 49
    assert story_id(rows[3]["text"]) not in splits["train"]["story_id"]


def test_same_recipe_same_bytes_whatever_the_order(stories, tmp_path):
    instruct(stories, tmp_path / "a")
    instruct(stories, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    lines = stories.read_text().splitlines()
    random.Random(0).shuffle(lines)
    stories.write_text("\n".join(lines))
    shuffled = instruct(stories, tmp_path / "c")["train"]
    ordered = instruct(tmp_path / "a", tmp_path / "unused")["train"]  # a dataset of ours is a dataset like any other
    assert len(ordered) == len(shuffled)
    assert sorted(map(str, shuffled["story_id"])) == sorted(map(str, ordered["story_id"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--types", "word"], "did you mean 'words'"),
        (["--types", "{type: words, probabilty: 1}"], "did you mean 'probability'"),
        (["--types", "{type: words, probability: 2}"], "between 0 and 1"),
        (["--types", "{type: words, phrasings: [no place]}"], "{value}"),
        (["--example_per_story", "2"], "did you mean 'examples_per_story'"),
        (["--examples_per_story", "0"], "at least 1"),
        (["--validation_fraction", "1.5"], "between 0 and 1"),
        (["--hold_out", "words", "summry"], "hold_out"),
        (["--provider.type", "nobody"], "unknown llm provider"),
        (["--push_to_hub"], "hub_dataset_id"),
        (["--dataset", "missing.jsonl"], "missing.jsonl"),
    ],
)
def test_bad_recipes_are_refused_before_anything_is_written(stories, tmp_path, options, message):
    with pytest.raises(RecipeError, match=message.replace("{", r"\{").replace("?", r"\?")):
        main(["--dataset", str(stories), "--output_dir", str(tmp_path / "out"), *options])
    assert not (tmp_path / "out").exists()


def test_dataset_without_text(tmp_path):
    for said, row in {
        "column 'text'": {"story": "Once."},
        "'words' must be texts or lists": {"text": "Once.", "words": 3},
        "row 1: 'summary' is a": {"text": "Once.", "summary": ["A."]},
    }.items():
        with pytest.raises(RecipeError, match=said):
            instruct(write(tmp_path / "rows.jsonl", [row]), tmp_path / "out")


class Summarizer(LLMProvider):
    """A teacher that counts how often it is asked, and may die on the way."""

    model = "summarizer"
    batch_size = 8

    def __init__(self, survives: int = 10**9) -> None:
        self.asked: list[str] = []
        self.survives = survives

    async def complete(self, requests):
        if len(self.asked) >= self.survives:
            raise KeyboardInterrupt  # as near to kill -9 as one process gets: nothing after it runs
        self.asked += [request.fields["text"] for request in requests]
        return [
            Completion(f"It is {len(request.fields['text'])} long. And more. And even", "length", 9, 5, self.model)
            for request in requests
        ]


def summarize(provider: LLMProvider, folder, stories: int, *more: str):
    """Run the phase on stories without summaries and give back its splits."""
    path = write(folder.with_suffix(".jsonl"), ({"text": make_story(i)["text"]} for i in range(stories)))
    options = ["--dataset", str(path), "--output_dir", str(folder), "--provider.type", "storyteller", *more]
    main(options, container=Container().override(LLMProvider, provider))
    return load_dataset(str(folder))


def test_missing_summaries_are_asked_for_once(tmp_path):
    dying, patient = Summarizer(survives=24), Summarizer()
    options = (100, "--validation_fraction", "0.1")
    with pytest.raises(KeyboardInterrupt):
        summarize(dying, tmp_path / "out", *options)
    rows = summarize(patient, tmp_path / "out", *options)
    assert len(dying.asked) == 24 and not set(dying.asked) & set(patient.asked)
    with_summary = [row for split in rows.values() for row in split if "summary" in row["types"]]
    assert 30 < len(with_summary) < 70
    assert len(with_summary) == len(dying.asked) + len(patient.asked)  # nobody pays for what is not used
    assert with_summary[0]["summary"] == f"It is {len(with_summary[0]['text'])} long. And more."
    summarize(Summarizer(), tmp_path / "again", *options)
    assert contents(tmp_path / "out") == contents(tmp_path / "again")


class Fencing(Summarizer):
    async def complete(self, requests):
        texts = (f"```\n{answer.text}\n```" for answer in await super().complete(requests))
        return [Completion(t if r.seed % 3 else "", "stop", 9, 5, "m") for t, r in zip(texts, requests, strict=True)]


def test_summaries_are_cleaned_and_missing_ones_told(tmp_path, capsys):
    splits = summarize(Fencing(), tmp_path / "out", 60, "--types", "summary", "words")
    assert "stories have no summary (most often: answer: empty" in capsys.readouterr().out
    summaries = splits["train"]["summary"]
    assert None in summaries and all(s is None or s.startswith("It is") for s in summaries)


@pytest.mark.slow
def test_killed_phase_ends_as_if_undisturbed(tmp_path):
    stories = write(tmp_path / "stories.jsonl", map(make_story, range(12_000)))
    whole, killed, thrice = tmp_path / "whole", tmp_path / "killed", ("--examples_per_story", 3)
    instruct(stories, whole, *thrice)
    command = ["instruct", "--dataset", stories, "--output_dir", killed, *thrice]
    kill(*command, when=lambda: any((killed / ".data-being-written").glob("train-*")))
    assert not (killed / "data").exists()
    instruct(stories, killed, *thrice)
    assert contents(whole) == contents(killed)
    assert {p.name for p in whole.iterdir()} == {p.name for p in killed.iterdir()}
