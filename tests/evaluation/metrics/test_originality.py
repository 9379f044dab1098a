"""Copies of training text: against brute force, planted ones found, and the training set found by a model's recipe."""

import json
import random
import re
import shutil
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from locations import SHARED
from tiny import jsonl

from silly_llm.core.errors import RecipeError
from silly_llm.evaluation.arguments import EvaluationArguments
from silly_llm.evaluation.evaluate import main
from silly_llm.evaluation.metrics.base import EvaluationData
from silly_llm.evaluation.originality.diversity import diversity
from silly_llm.evaluation.originality.memorization import Memorization, MemorizationConfig, divided, sample
from silly_llm.evaluation.originality.ngrams import Ngrams, Search, Words, most_similar
from silly_llm.evaluation.originality.overlap import overlap
from silly_llm.evaluation.originality.training_text import TrainingText, training_text
from silly_llm.providers.storyteller import tell
from silly_llm.providers.storyteller.lexicon import POS, lexicon
from silly_llm.text.words import lower_words

NAMES = ["Zed", "Quin", "Orla", "Bix", "Ulf", "Wanda", "Yara", "Xena", "Ivo", "Hedda"]
SMALL = ["--num_stories", "4", "--max_new_tokens", "12", "--num_samples", "1", "--device", "cpu"]


def storyteller(count: int, first: int = 0) -> list[str]:
    draw = random.Random(first)
    return [
        tell(i, {pos: [draw.choice(lexicon()[kind])] for pos, kind in POS.items()}, []).text
        for i in range(first, first + count)
    ]


def real(name: str, count: int) -> list[str]:
    """TinyStories where they are, else the storyteller's; the two names give different stories."""
    file = SHARED / "data" / "tinystories" / f"{name}.jsonl"
    if not file.exists():
        return storyteller(count, 0 if name == "train" else 100_000)
    return [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()[:count]]


def evaluated(model: Path, dataset: Path, output: Path, metrics: str, *more: str) -> dict:
    """What `evaluate` writes into results.json."""
    main(
        [
            "--model",
            str(model),
            "--dataset",
            str(dataset),
            "--output_dir",
            str(output),
            "--metrics",
            metrics,
            *SMALL,
            *more,
        ]
    )
    return json.loads((output / "results.json").read_text(encoding="utf-8"))


def grams(text: str, n: int) -> list[tuple[str, ...]]:
    words = lower_words(text)
    return [words[i : i + n] for i in range(len(words) - n + 1)]


def longest_run(a: str, b: str) -> int:
    return SequenceMatcher(None, lower_words(a), lower_words(b), autojunk=False).find_longest_match().size


def renamed(text: str, draw: random.Random) -> str:
    found = sorted(set(re.findall(r"(?<=[a-z,;] )[A-Z][a-z]+", text)))
    others = dict(zip(found, draw.sample(NAMES, len(NAMES)), strict=False))
    return re.sub(r"[A-Z][a-z]+", lambda name: others.get(name[0], name[0]), text)


def test_a_search_is_brute_force(stories):
    training = [*real("train", 240), *stories, "", "Не было кота, и кот ушёл.", "猫は魚が好きです。猫は魚が好き。"]
    endings = [divided(story, 0.4)[1] for story in real("validation", 25)]
    texts = [*endings, divided(training[7], 0.4)[1], training[100]]
    texts += ["The end.", "Zorp", "", "猫は魚が好き", "no no no no no no"]
    random.Random(1).shuffle(texts)
    search = Search(texts, iter(training), [1, 2, 3, 5, 8])
    occurrences = {k: Counter(gram for story in training for gram in grams(story, k)) for k in (1, 2, 3, 5, 8)}
    known = [set(grams(story, 2)) for story in training]
    for i, text in enumerate(texts):
        pairs = set(grams(text, 2))
        shared = [len(pairs & theirs) for theirs in known]
        assert search.closest.shared[i] == max(shared) and search.grams[2].sizes[i] == len(pairs)
        expected = training[shared.index(max(shared))] if max(shared) else None
        assert search.closest.stories[i] == expected
        for k in (1, 2, 3, 5, 8):
            counts = [occurrences[k][gram] for gram in set(grams(text, k))]
            assert (search.grams[k].inside @ search.counts[k])[i] == sum(counts)
            assert search.grams[k].share(search.counts[k])[i] == sum(count > 0 for count in counts)
    runs = [max(longest_run(text, story) for story in training[:120]) for text in texts]
    assert Search(texts, iter(training[:120])).longest.tolist() == runs
    assert max(runs) > 50 and 0 in runs
    assert search.stories == len(training)


def test_blocks_change_nothing(monkeypatch):
    training, texts = real("train", 60), [divided(story, 0.4)[1] for story in real("validation", 20)]
    whole = Search(texts, iter(training))
    monkeypatch.setattr("silly_llm.evaluation.originality.ngrams.BLOCK", 7)
    blocks = Search(texts, iter(training))
    assert blocks.longest.tolist() == whole.longest.tolist() and blocks.stories == whole.stories == 60
    assert blocks.closest.stories == whole.closest.stories and (blocks.counts[2] == whole.counts[2]).all()


def test_rouge_f_with_another_completion():
    texts = ["the cat sat on the mat", "the cat sat on a mat", "the cat sat on the cat sat", "zorp", ""]
    sets = [set(grams(text, 2)) for text in texts]
    expected = [
        max(2 * len(a & b) / max(1, len(a) + len(b)) for j, b in enumerate(sets) if j != i) for i, a in enumerate(sets)
    ]
    assert most_similar(Ngrams(Words(texts), 2)) == pytest.approx(expected)
    assert expected[0] == pytest.approx(2 * 4 / 9) and expected[3] == 0  # five pairs and four, all four in common


def test_the_sample_depends_on_texts_alone():
    stories = real("train", 300)
    drawn = sample(stories, 40, 3)
    assert len(set(drawn)) == 40 and drawn == sample([*reversed(stories), *stories], 40, 3)
    assert drawn != sample(stories, 40, 4) and set(drawn) < set(sample(stories, 41, 3))
    assert sample(["Too short.", *["word " * 10]], 40, 3) == ["word " * 10]


class Reciter:
    """A model whose every twentieth continuation is the real ending with other names; the others are unseen stories' endings."""

    name, path = "reciter", ""

    def __init__(self, training: list[str], unseen: list[str]) -> None:
        self.training, self.unseen, self.draw = training, unseen, random.Random(0)

    def generate(self, prompts, settings, seed):
        whole = {divided(story, 0.4)[0]: story for story in self.training}
        made = [divided(story, 0.4)[1] for story in self.unseen[: len(prompts)]]
        for i in range(0, len(prompts), 20):
            made[i] = divided(renamed(whole[prompts[i]], self.draw), 0.4)[1]
        return [SimpleNamespace(text=text) for text in made]


@pytest.mark.parametrize("kind", ["stories", "storyteller"])
def test_planted_copies_with_other_names_are_found(tmp_path, kind):
    """All of 5 %, and at most 1 % of the others."""
    training, unseen = real("train", 3000), real("validation", 350)
    if kind == "storyteller":
        training, unseen = storyteller(3000), storyteller(350, 100_000)
    file = jsonl(tmp_path / "train.jsonl", ({"text": text} for text in training))
    config = MemorizationConfig(dataset=str(file), stories=300)
    provider = Memorization(config, EvaluationArguments(model="m", dataset="d"))
    provider.prepare()
    model = Reciter(training, unseen)
    found = provider.evaluate(model, EvaluationData(unseen[300:], []))
    planted = np.arange(300) % 20 == 0
    copies = np.array(found["copies"].units.numerators, bool)
    assert copies[planted].all() and copies[~planted].sum() <= 0.01 * 285
    recalled = np.array(found["ending_recalled"].units.numerators)
    assert recalled[planted].min() > 0.5 > np.quantile(recalled[~planted], 0.95)  # a template may come again
    assert found["closest_story"].value > found["ending_recalled"].value
    assert found["copied_run"].details["longest"] > 10 and found["copied_run"].value > 3
    known = [found[f"known_{k}grams"].value for k in config.kgrams]
    assert known == sorted(known, reverse=True) and 0.5 < known[0] < 1
    assert found["closest_story"].details["held_out"] < found["closest_story"].value
    assert found["closest_story"].details["training_documents"] == 3000
    assert all(metric.label and metric.units for metric in found.values())
    assert len({tuple(metric.units.ids) for metric in found.values()}) == 1


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"kgrams": []}, {"stories": 1}, {"prompt_share": 0.0}])
def test_options_that_mean_nothing(options):
    with pytest.raises(RecipeError):
        MemorizationConfig(**options)


# Training text ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, tiny_models, stories):
    """A run as the phases leave it, moved since: stories, a model of them, instructions, and a tuned model."""
    folder = tmp_path / "elsewhere" / "runs" / "small"
    for name, texts in (("stories", stories), ("other", [])):
        (folder / name / "data").mkdir(parents=True)
        if texts:
            jsonl(folder / name / "data" / "train.jsonl", ({"text": text} for text in texts))
    answers = [
        {"prompt": [{"role": "user", "content": "Tell."}], "completion": [{"role": "assistant", "content": t}]}
        for t in stories[:3]
    ]
    (folder / "instructions" / "data").mkdir(parents=True)
    jsonl(folder / "instructions" / "data" / "train.jsonl", answers)
    recipes = {
        "pretrain": {"dataset": "runs/small/stories", "output_dir": "runs/small/pretrain"},
        "sft": {"model_name_or_path": "runs/small/pretrain", "dataset": "runs/small/instructions"},
    }
    for model, name in zip(tiny_models, recipes, strict=True):
        shutil.copytree(model, folder / name)
        (folder / name / "recipe.yaml").write_text(json.dumps(recipes[name]))
    return folder


def test_the_training_text_of_a_tuned_model(run, stories):
    told = [story for story in stories if story.strip()]
    assert list(training_text(str(run / "pretrain")).texts()) == told
    found = training_text(str(run / "sft"))
    assert list(found.texts()) == stories[:3] + told and not found.missing
    assert [name.rpartition("/")[2] for name in found.names] == ["instructions", "stories"]
    assert list(found.texts(2)) == [*stories[:2], *told[:2]] and found.cut


def test_what_is_not_known_of_it_is_said(run, tiny_model):
    assert "does not say what it was trained on" in training_text(str(tiny_model)).missing[0]
    shutil.rmtree(run / "stories")
    missing = training_text(str(run / "sft")).missing
    assert len(missing) == 1 and "the training set of" in missing[0] and "runs/small/stories" in missing[0]
    (run / "pretrain" / "recipe.yaml").write_text("- odd")
    assert "does not say" in training_text(str(run / "sft")).missing[0]


def test_a_training_set_that_has_changed(run):
    from silly_llm.core.folders.provenance import digest

    provenance = {"inputs": {"runs/small/stories": digest(run / "stories")}}
    (run / "pretrain" / "provenance.json").write_text(json.dumps(provenance))
    assert not training_text(str(run / "pretrain")).missing
    with (run / "stories" / "data" / "train.jsonl").open("a") as file:
        file.write('{"text": "One more."}\n')
    assert "has changed since" in training_text(str(run / "pretrain")).missing[0]


def test_held_out_documents_in_the_training_text(tmp_path):
    training, held_out = real("train", 400), real("validation", 40)
    words = held_out[2].split()
    planted = [held_out[0], f"  {held_out[1].upper()}\n", " ".join(held_out[3].split()[:30])]
    planted.append("Look! " + " ".join(words[: 7 * len(words) // 10]))
    made = TrainingText()
    made.add(str(jsonl(tmp_path / "train.jsonl", ({"text": text} for text in [*training, *planted]))), "text")
    found = overlap(held_out, made, 1000)
    assert found == {"documents": 40, "exact": 2, "mostly": 1, "training_documents": 404, "not_measured": []}
    assert overlap(held_out[4:], made, 1000)["mostly"] == 0 == overlap(held_out[4:], made, 1000)["exact"]
    cut = overlap(held_out, made, 100)
    assert cut["exact"] == 0 and "all but the first 100 documents" in cut["not_measured"][0]


def test_evaluate_tells_the_overlap_and_measures_copies(run, tmp_path, capsys):
    asked = '[{"type": "memorization", "stories": 4}]'
    results = evaluated(run / "pretrain", run / "stories", tmp_path / "one", asked)
    counts = results["dataset"]["overlap"]["pretrain"]
    assert counts["exact"] == counts["documents"] == 8  # evaluated on what it was trained on
    line = "pretrain: of 8 held-out documents 8 stand in its training text word for word"
    assert line in capsys.readouterr().out and results["notes"][0].startswith(line)
    model = results["models"]["pretrain"]
    measured = {"ending_recalled", "similar_completion", "closest_story", "copied_run", "known_4grams"}
    assert measured <= set(model["metrics"])
    assert model["not_measured"]["copies"] == "no completion has 10 different pairs of words"
    assert model["details"]["closest_story"]["training_documents"] == 8

    (run / "pretrain" / "recipe.yaml").unlink()
    results = evaluated(run / "pretrain", run / "stories", tmp_path / "two", "[perplexity, memorization]")
    said = capsys.readouterr().out
    assert (
        "memorization not measured: " in said and "overlap of pretrain with its training text: not measured: " in said
    )
    assert "does not say what it was trained on" in results["models"]["pretrain"]["not_measured"]["memorization"]
    assert "not_measured" in results["dataset"]["overlap"]["pretrain"]
    with pytest.raises(RecipeError, match="nowhere"):
        evaluated(
            run / "sft", run / "stories", tmp_path / "3", '[{"type": "memorization", "dataset": "nowhere.jsonl"}]'
        )


# Diversity ------------------------------------------------------------------------------------------------------------


def test_diversity_of_a_few_stories():
    told = [
        "The cat sat. The cat sat. It was red.",
        "The cat sat. The dog ran off.",
        "",
        "One two three four five six.",
    ]
    found = diversity(list("abcd"), told, told, list("xxyz"))
    sets = [set(grams(text, 2)) for text in told]
    f = 2 * len(sets[0] & sets[1]) / (len(sets[0]) + len(sets[1]))
    assert found["self_similarity"].value == pytest.approx(2 * f / 3) and f == 0.5  # the empty one does not count
    assert found["self_similarity"].n == 2  # prompts x and z
    assert found["repeated_sentences"].value == pytest.approx(1 / 6)
    assert found["repeated_3grams"].value == pytest.approx(1 / (7 + 5 + 4))
    assert found["different_openings"].details["different"] == 4
    assert np.isnan(found["vocabulary"].value) and "words, not 10,000" in found["vocabulary"].details["not_measured"]


def test_vocabulary_is_counted_on_equal_amounts():
    stories = real("train", 200)
    ids = [str(i) for i in range(200)]
    more, fewer = (diversity(ids[:n], stories[:n], stories[:n])["vocabulary"] for n in (200, 120))
    words = [word for story in stories for word in lower_words(story)][:10_000]
    assert more.value == fewer.value == pytest.approx(len(set(words)) / 10_000)
    assert more.low < more.value < more.high


def test_real_stories_are_more_diverse_than_loops(tmp_path, tiny_model, stories_file):
    stories = real("validation", 100)
    ids = [str(i) for i in range(100)]
    loops = [story[:200] * 4 for story in stories[:10] * 10]
    varied, dull = diversity(ids, stories, stories), diversity(ids, loops, loops)
    assert varied["self_similarity"].high < 0.6 and dull["self_similarity"].value == 1
    assert varied["repeated_3grams"].high < dull["repeated_3grams"].low and dull["repeated_3grams"].value > 0.6
    assert varied["different_openings"].low > dull["different_openings"].high
    results = evaluated(tiny_model, stories_file, tmp_path / "out", "diversity", "--overlap_documents", "0")
    assert results["dataset"]["overlap"] == {} and not [note for note in results["notes"] if "overlap" in note]
    metrics, reference = results["models"]["tiny"]["metrics"], results["dataset"]["reference"]
    for name in ("self_similarity", "different_openings", "repeated_3grams", "repeated_sentences"):
        assert 0 <= metrics[name]["value"] <= 1 and 0 <= reference[name]["value"] <= 1
