"""Instruction following: by type, asked and unasked, and in combinations that training never had."""

import json
import random

import pytest
from tiny import jsonl

from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.evaluate import main
from silly_llm.evaluation.held_out import request_of
from silly_llm.evaluation.metrics.base import StoryRequest
from silly_llm.evaluation.metrics.following import following
from silly_llm.evaluation.metrics.statistics import estimate, pseudo_values

QUARREL = "Tom and Sue argued. “Give it back!” said Sue. They shared the toy and smiled."
SAD = "A dog ran away. It was lost. The boy cried and was very sad."
CALM = "A bird sat in a tree. The bird sang a song."


def request(name, **wanted):
    return StoryRequest("", ({"role": "user", "content": name},), **wanted)


def test_shares_by_type_with_what_was_not_asked():
    first = "A bird sat in a tree."
    answers = [
        ("a", QUARREL, request("a", words=("toy", "share"), features=("dialogue", "conflict"))),
        ("b", SAD, request("b", features=("dialogue",), others={"sentence": "It was lost.", "ending": "sad"})),
        ("c", CALM, request("c", words=("dog",), features=("conflict",), others={"sentence": first})),
        ("d", QUARREL, request("d")),  # asks for nothing: it counts nowhere
    ]
    made = following(answers, asked_by="a test")
    values = {name: (metric.value, metric.n) for name, metric in made.items()}
    assert values["words_included"] == (2 / 3, 2) and made["words_included"].details["asked_by"] == "a test"
    assert values["sentence_included"] == (1 / 2, 2) and values["ending_followed"] == (1, 1)
    assert values["features_included"] == (2 / 4, 3)
    assert values["features_unasked"] == (1 / 14, 3)  # a bad ending in b
    # found when asked 2 of 4; dialogue: 0 of 1 unasked, conflict: 0 of 1
    assert values["features_added"] == (2 / 4, 3)
    table = made["features_included"].details["by_feature"]
    assert (table["dialogue"]["asked"], table["dialogue"]["found"], table["dialogue"]["not_asked"]) == (2, 1, 1)
    assert (table["bad_ending"]["asked"], table["bad_ending"]["found_although_not_asked"]) == (0, 1)
    assert table["dialogue"]["share_asked"]["low"] < 0.5 < table["dialogue"]["share_asked"]["high"]
    assert values["followed_completely"] == (1 / 3, 3)
    combinations = made["followed_completely"].details["by_combination"]
    assert combinations["features + words"]["value"] == 1 and combinations["features + sentence + words"]["n"] == 1
    assert all(metric.label and metric.units for metric in made.values())
    assert following([("d", QUARREL, request("d"))]) == {}


def simulated(count, seed, chance):
    """Answers that have a feature with a chance that depends on the feature, and on whether it was asked for."""
    rng = random.Random(seed)
    texts = {
        "dialogue": "“Hello there,” he said.",
        "conflict": "They argued.",
        "moral_value": "The moral is to share.",
    }
    for i in range(count):
        asked = tuple(rng.sample(list(texts), rng.choice((1, 2))))
        has = [texts[f] for n, f in enumerate(texts) if rng.random() < chance(n, f in asked)]
        yield f"r{i}", " ".join(["It was a day.", *has]), request(str(i), features=asked)


def test_what_asking_adds_is_nothing_where_nobody_listens_and_its_interval_is_the_jackknifes():
    covered = 0
    for seed in range(60):
        metric = following(list(simulated(60, seed, lambda n, asked: (0.8, 0.4, 0.1)[n])))["features_added"]
        covered += metric.low <= 0 <= metric.high
    assert covered >= 52
    listening = following(list(simulated(400, 1, lambda n, asked: (0.5, 0.3, 0.1)[n] + 0.4 * asked)))["features_added"]
    assert listening.low < 0.4 < listening.high and listening.low > 0.25

    answers = list(simulated(30, 3, lambda n, asked: 0.5))
    metric = following(answers)["features_added"]
    without = [following(answers[:i] + answers[i + 1 :])["features_added"].value for i in range(30)]
    expected = {a[0]: 30 * metric.value - 29 * left_out for a, left_out in zip(answers, without, strict=True)}
    names, sums = metric.units.sums()
    assert pseudo_values(sums) == pytest.approx([expected[name] for name in names])
    assert estimate(metric.units).value == pytest.approx(metric.value)


STORIES = (
    ("Tom had a red kite. The kite flew over the big house. “Look at it!” said Tom.", ["kite", "fly"], ["dialogue"]),
    ("Ann found a small box. There was a key in the box. She smiled.", ["box", "key"], ["plot_twist"]),
)


def rows(types):
    for text, words, features in STORIES:
        sentence = text.split(". ")[1].strip("“") + "."
        lines = {"words": f"Words: {', '.join(words)}", "sentence": f"Sentence: {sentence}", "features": "Features: x"}
        prompt = [{"role": "user", "content": "\n".join(lines[t] for t in types)}]
        yield {"prompt": prompt, "types": types, "words": words, "features": features, "text": text, "story_id": text}


def test_a_row_says_what_it_asks_for():
    args = EvaluationArguments(model="m", dataset="d")
    made = [request_of(row, args, 0) for row in rows(["sentence", "words"])]
    assert made[0].others == {"sentence": "The kite flew over the big house."} and made[0].features == ()
    assert made[0].combination == "sentence + words" and made[0].wanted.keys() == {"words", "sentence"}
    row = next(rows(["words"])) | {"types": ["names", "word_count", "summary"]}
    row |= {"names": ["Tom"], "word_count": [5, 20]}
    assert request_of(row, args, 0).wanted == {"names": ["Tom"], "word_count": [5, 20]}


def test_combinations_that_training_never_had_are_reported_apart(tiny_models, tmp_path):
    (folder := tmp_path / "set").mkdir()
    jsonl(folder / "data" / "validation-00000-of-00001.jsonl", rows(["words"]))
    jsonl(folder / "data" / "held_out-00000-of-00001.jsonl", rows(["sentence", "words"]))
    options = ["--max_new_tokens", "8", "--device", "cpu", "--language", "en", "--metrics", "instruction_following"]
    folders = ["--model", tiny_models[1], "--dataset", folder, "--output_dir", tmp_path / "o"]
    main([*map(str, folders), *options])
    results = json.loads((tmp_path / "o" / "results.json").read_text())
    metrics = results["models"]["tiny-chat"]["metrics"]
    assert metrics["words_included"]["n"] == metrics["words_included_unseen"]["n"] == 2
    assert "sentence_included" not in metrics and metrics["sentence_included_unseen"]["n"] == 2
    assert metrics["words_included_unseen"]["label"]["name"].endswith("unseen combinations")
    reference = results["dataset"]["reference"]
    assert reference["words_included"]["value"] == 1 and results["dataset"]["unseen_combinations"]["requests"] == 2
