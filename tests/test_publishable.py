"""Only what others can use goes up, and no secret does."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from folders import save_stories, save_tiny_model

from silly_llm.errors import RecipeError
from silly_llm.publishable import files_of, kind_of, read_card, refuse_secrets

SECRET = "sk-a-secret-of-another-service"


@pytest.fixture
def stories(tmp_path):
    return save_stories(tmp_path / "stories", tmp_path)


@pytest.fixture
def model(tmp_path):
    return save_tiny_model(tmp_path / "model", tmp_path)


def test_folders_load_by_datasets_each_its_own_rows(stories, tmp_path):
    """Also when another folder has the same name and card, and when a folder is written anew."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    other = shutil.copytree(stories, tmp_path / "other" / "stories")
    shard = "data/validation-00000-of-00001.parquet"
    for text in ("the other's", "written anew"):
        table = pq.read_table(stories / shard)
        pq.write_table(table.set_column(0, "text", pa.array([text])), other / shard)
        code = f"""if True:
            from datasets import load_dataset
            print({{k: len(v) for k, v in load_dataset({str(stories)!r}).items()}})
            print([load_dataset(f, split="validation")[0]["text"] for f in ({str(stories)!r}, {str(other)!r})])"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        counts, texts = done.stdout.strip().splitlines()
        assert counts == "{'train': 40, 'validation': 1, 'rejected': 1}", done.stderr[-2000:]
        assert texts == str(["Once upon a time, there was a cat number 40.", text])


def test_only_what_others_can_use_is_published(stories, model):
    parquet = [f"data/{split}-00000-of-00001.parquet" for split in ("rejected", "train", "validation")]
    assert files_of(stories) == sorted(["README.md", "provenance.json", *parquet])
    assert {"config.json", "model.safetensors", "README.md", "tokenizer.json"} <= set(files_of(model))
    assert not [
        f for f in files_of(model) if "checkpoint" in f or f.endswith((".pt", ".bin", "trainer_state.json"))
    ]


def test_kind_of_folder(stories, model, tmp_path):
    assert kind_of(stories) == "dataset" and kind_of(model) == "model"
    with pytest.raises(RecipeError, match=r"neither a dataset folder .* nor a model folder"):
        kind_of(tmp_path)


@pytest.mark.parametrize("place", ["notes.txt", "data/train-00000-of-00001.parquet"])
def test_secrets_are_refused_wherever_they_are(stories, place, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setenv("OTHER_API_KEY", SECRET)
    refuse_secrets(stories, files_of(stories), "hf_mine")
    for secret in ("hf_mine", SECRET, "hf_" + "aB3" * 12):
        path = stories / place
        if path.suffix == ".parquet":
            pq.write_table(pa.table({"text": ["nothing", f"a {secret}"]}), path, compression="zstd")
        else:
            path.write_text(f"key = {secret}\n")
        with pytest.raises(RecipeError, match=f"{path.name}: contains a token") as error:
            refuse_secrets(stories, files_of(stories), "hf_mine")
        assert secret not in str(error.value)


def test_bad_headers_are_refused(stories):
    card = stories / "README.md"
    configs = "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/trian-*\n"
    card.write_text(card.read_text().replace("license:", f"{configs}license:", 1))
    with pytest.raises(RecipeError, match="no file of the folder fits"):
        read_card(stories, "dataset", files_of(stories))
    card.write_text("---\nlicense: [\n---\n# Title\n")
    with pytest.raises(RecipeError, match="YAML header cannot be read"):
        read_card(stories, "dataset", files_of(stories))
