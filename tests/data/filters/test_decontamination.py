"""Stories that repeat an evaluation set are refused, whatever form the set has; others are kept."""

import pyarrow as pa
import pytest
from tiny import jsonl

from silly_llm.core import registry
from silly_llm.core.container import Container
from silly_llm.core.errors import RecipeError
from silly_llm.data.dataset_writer import write_dataset_folder
from silly_llm.data.filters.decontamination import DecontaminationFilter, NgramIndex

TEXT = "The old clock in the hall struck nine, and a small grey mouse ran down with a crumb of cheese in its two paws."
WORDS = TEXT.replace(",", "").replace(".", "").lower().split()
REASON = "shares words with an evaluation text"


def build(**options):
    """What the filter says of a text."""
    story_filter = Container().build("story_filter", {"type": "decontamination", **options})
    return lambda text: story_filter.refuse({"text": text})


@pytest.fixture
def evaluation(tmp_path) -> str:
    texts = (TEXT, "Quite another text. " * 5)
    return str(jsonl(tmp_path / "evaluation.jsonl", ({"text": text} for text in texts)))


def test_a_run_of_thirteen_words_is_refused_and_of_twelve_kept(evaluation):
    refusal = build(dataset=evaluation)
    assert refusal(f"One day it was so: {' '.join(WORDS[3:16])}! The end.") == REASON
    assert refusal(f"One day it was so: {' '.join(WORDS[3:15])}! The end.") is None


def test_case_and_punctuation_do_not_hide_a_run_and_the_order_of_words_counts(evaluation):
    assert build(dataset=evaluation)(TEXT.upper().replace(" ", " - ")) == REASON
    assert build(dataset=evaluation)(" ".join(reversed(WORDS))) is None


def test_short_texts_count_as_a_whole_and_very_short_ones_not(tmp_path):
    texts = ("A purple cow sat on the warm red roof.", "Once upon a time")
    path = str(jsonl(tmp_path / "e.jsonl", ({"text": text} for text in texts)))
    refusal = build(dataset=path)
    assert refusal("Look, a purple cow sat on the warm red roof today.") == REASON
    assert refusal("Look, a purple cow sat on the warm red barn today.") is None
    assert refusal("Once upon a time there was a cow.") is None
    assert build(dataset=path, min_words=4)("Once upon a time there was a cow.") == REASON


def test_ngram_matches_and_share(evaluation):
    part = "Tom saw it. " + " ".join(WORDS[:14]) + " and then Tom went home to bed and slept"  # two runs of 13
    assert build(dataset=evaluation, max_matches=1)(part) == REASON
    assert build(dataset=evaluation, max_matches=2)(part) is None
    assert build(dataset=evaluation, ngram=5)(" ".join(WORDS[:5])) == REASON
    assert build(dataset=evaluation, max_share=0.5)(part) is None
    assert build(dataset=evaluation, max_share=0.5)(TEXT) == REASON


def test_splits_and_columns(tmp_path):
    columns = pa.schema({"question": pa.string(), "answers": pa.list_(pa.string())})
    rows = {name: [{"question": "Who?", "answers": [name, f"{name} {TEXT}"]}] for name in ("train", "test")}
    write_dataset_folder(tmp_path / "set", rows, columns)
    options = {"dataset": str(tmp_path / "set"), "column": ["question", "answers"]}
    begins_test, begins_train = (" ".join([name, *WORDS[:12]]) for name in ("test", "train"))
    assert build(**options)(begins_test) == REASON
    assert build(**options)(begins_train) is None
    assert build(**options, split="train")(begins_train) == REASON
    with pytest.raises(RecipeError, match="did you mean 'answers'"):
        build(dataset=str(tmp_path / "set"), column="answer")(TEXT)
    with pytest.raises(RecipeError, match="has no split 'validation'"):
        build(**options, split="validation")(TEXT)


def test_a_list_of_prompts_in_yaml_and_several_sources(tmp_path, evaluation):
    prompts = tmp_path / "prompts.yaml"
    prompts.write_text(f"- One short prompt\n- '{TEXT}'\n", encoding="utf-8")
    assert build(dataset=str(prompts))(TEXT) == REASON
    assert DecontaminationFilter.inputs({"dataset": str(prompts)}) == [str(prompts)]
    other = str(jsonl(tmp_path / "other.jsonl", [{"text": "Nothing to see here."}]))
    assert build(dataset={"path": evaluation})(TEXT) == REASON
    several = build(dataset=[other, {"dataset": evaluation, "weight": 0.1}, str(prompts)])
    assert several(TEXT) == several("Quite another text. " * 5) == REASON
    assert DecontaminationFilter.inputs({"dataset": [evaluation, other]}) == [evaluation, other]


def test_the_hashes_find_what_a_set_of_tuples_finds():
    texts = [tuple(f"w{(i * 7 + j * j) % 50}" for j in range(30)) for i in range(20)]
    looked_at = [tuple(f"w{(i * 3 + j) % 50}" for j in range(40)) + texts[i][5:12] for i in range(20)]
    known = {text[i : i + 4] for text in texts for i in range(27)}
    runs = NgramIndex(4, texts)
    for words in looked_at:
        assert runs.count(words) == sum(words[i : i + 4] in known for i in range(len(words) - 3))
    assert runs.count(()) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "'dataset' is missing"),
        ({"dataset": "x", "ngrams": 3}, "did you mean 'ngram'"),
        ({"dataset": "x", "ngram": 0}, "ngram and min_words must be at least 1"),
        ({"dataset": "no/such.jsonl"}, "no such file"),
        ({"dataset": "no/such.yaml"}, "no such file"),
        ({"dataset": "x", "max_share": 2}, "max_share: a share is between"),
        ({"dataset": "x.jsonl", "column": []}, "column: name"),
    ],
)
def test_bad_options_are_recipe_errors(options, message):
    with pytest.raises(RecipeError, match=message):
        registry.parse_component("story_filter", {"type": "decontamination", **options})


def test_missing_and_unusable_files_are_recipe_errors(tmp_path, evaluation):
    with pytest.raises(RecipeError, match=r"did you mean 'evaluation\.jsonl'"):
        build(dataset=evaluation.replace("evaluation.", "evalation."))
    (tmp_path / "mapping.yaml").write_text("a: b\n")
    short = str(jsonl(tmp_path / "short.jsonl", [{"text": "Too short."}]))
    for path, said in ((f"{tmp_path}/mapping.yaml", "a list of texts"), (short, "no text of at least 5 words")):
        with pytest.raises(RecipeError, match=said):
            build(dataset=path)(TEXT)
    numbers = str(jsonl(tmp_path / "numbers.jsonl", [{"text": [1]}]))
    with pytest.raises(RecipeError, match=r"'text' must be texts or lists of texts, got \[1\]"):
        build(dataset=[{"path": numbers, "weight": 2}])(TEXT)


def test_the_papers_prompts_are_found_in_their_own_stories(shared):
    refusal = build(dataset=str(shared / "data" / "prompts" / "tinystories_evaluation_prompts.yaml"))
    begun = "Alice was bored and wanted to find some adventures. She walked up to her friend Ben, who looked sad."
    assert refusal(begun) == REASON
