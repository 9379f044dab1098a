"""Whatever a recipe writes for `dataset:` ends as records, or as one clear line."""

import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict
from folders import contents

from silly_llm.core.errors import RecipeError
from silly_llm.data.dataset_writer import DatasetWriter, write_dataset_folder
from silly_llm.data.sources import EVALUATION_SPLITS, load_records, open_source

TEXTS = ["One cat.\n\nIt sat.", "Two dogs."]
SCHEMA = pa.schema([("text", pa.string())])


def test_a_text_file_that_changed_is_read_again(tmp_path):
    for texts in (TEXTS, TEXTS[::-1]):
        (tmp_path / "a.txt").write_text("\n<|endoftext|>\n".join(texts) + "\n<|endoftext|>\n")
        assert load_records(str(tmp_path / "a.txt"))["text"][:] == texts


def test_a_dataset_folder_and_its_splits(tmp_path):
    rows = {"train": [{"text": t} for t in TEXTS], "validation": [{"text": "v"}]}
    assert write_dataset_folder(tmp_path, rows, SCHEMA, "# Card\n") == {"train": 2, "validation": 1}
    source = open_source(str(tmp_path))
    assert source.splits() == ["train", "validation"] and source.inputs() == [str(tmp_path)]
    assert load_records(str(tmp_path), split=EVALUATION_SPLITS)["text"][:] == ["v"]
    with pytest.raises(RecipeError, match="no split 'test'; it has train, validation"):
        load_records(str(tmp_path), split="test")


def test_what_save_to_disk_left(tmp_path):
    data = Dataset.from_dict({"text": TEXTS})
    data.save_to_disk(tmp_path / "one")
    DatasetDict({"train": data, "validation": data.select([0])}).save_to_disk(tmp_path / "two")
    for folder, splits in (("one", ["train"]), ("two", ["train", "validation"])):
        source = open_source(str(tmp_path / folder))
        assert source.splits() == splits and source.inputs() == [str(tmp_path / folder)]
        assert source.texts("text")["text"][:] == TEXTS
        assert [r["text"] for r in source.texts("text", streaming=True)] == TEXTS


def test_folders_of_one_name_whose_cards_have_configs_are_not_mixed_up(tmp_path):
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n---\n"
    for name in ("a", "b"):
        write_dataset_folder(tmp_path / name / "stories", {"train": [{"text": name}]}, SCHEMA, card)
    assert [load_records(str(tmp_path / name / "stories"))["text"][:] for name in ("a", "b")] == [["a"], ["b"]]


def test_the_run_provider_reads_a_runs_folder(tmp_path):
    write_dataset_folder(tmp_path / "stories", {"train": [{"text": "t"}]}, SCHEMA)
    assert load_records({"type": "run", "folder": str(tmp_path)}).num_rows == 1


def test_shards_stream_with_the_same_bytes_and_nothing_half_written(tmp_path):
    for name in ("a", "b"):
        with DatasetWriter(tmp_path / name, SCHEMA, rows_per_shard=3) as writer:
            for i in range(7):
                writer.write("train", {"text": str(i)})
    assert list(contents(tmp_path / "a")) == [f"train-{i:05d}-of-00003.parquet" for i in range(3)]
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    with pytest.raises(ZeroDivisionError), DatasetWriter(tmp_path / "a", SCHEMA) as writer:
        writer.write("train", {"text": "new"})
        raise ZeroDivisionError
    assert load_records(str(tmp_path / "a")).num_rows == 7
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["data"]


def test_a_weighted_mixture_keeps_its_proportions(tmp_path):
    for name in ("a", "b"):
        write_dataset_folder(tmp_path / name, {"train": [{"text": name}] * 3000}, SCHEMA)
    spec = [{"dataset": str(tmp_path / "a"), "weight": 3}, {"type": "files", "path": str(tmp_path / "b"), "weight": 1}]
    texts = load_records(spec)["text"][:]
    assert 0.70 < texts.count("a") / len(texts) < 0.80
    assert open_source(spec).inputs() == [str(tmp_path / "a"), str(tmp_path / "b")]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nowhere.jsonl", "no such file: 'nowhere.jsonl'"),
        ("./nowhere/stories", "no such file"),
        ({"type": "filez", "path": "x"}, r"unknown data provider 'filez' \(did you mean 'files'\?\)"),
        ({"type": "files", "pth": "x"}, r"unknown key 'pth' \(did you mean 'path'\?\)"),
        ([], "must not be empty"),
        ([{"dataset": "x.jsonl", "weight": -1}], "weight: expected a number above 0"),
        (3, "expected a Hub id, a path, a mapping or a list"),
    ],
)
def test_mistakes(spec, message):
    with pytest.raises(RecipeError, match=message):
        open_source(spec)
