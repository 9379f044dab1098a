"""Text read as it is needed: every document once a pass, and a training that resumes where it was, whatever the source."""

import json
import shutil
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
from tiny import jsonl
from tiny_runs import TEXTS, as_if_killed, same_weights
from tiny_runs import arguments as tiny

from silly_llm.core.config import load_recipe
from silly_llm.core.errors import RecipeError
from silly_llm.data.sources import open_source
from silly_llm.training.corpus import streaming
from silly_llm.training.corpus.documents import read_stream
from silly_llm.training.corpus.streaming import StreamedRows, StreamState
from silly_llm.training.corpus.tokenizer import make_tokenizer
from silly_llm.training.pretrain import main
from silly_llm.training.pretrain_config import PretrainArguments

LENGTH = 48


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(streaming, "BLOCK", 5)


@pytest.fixture
def files(tmp_path) -> Path:
    """12 documents, an empty one among them, in three files."""
    texts = [*TEXTS, ""]
    for number in range(3):
        jsonl(tmp_path / f"part-{number}.jsonl", ({"text": text, "id": 1} for text in texts[number::3]))
    return tmp_path


def specs(files: Path) -> dict[str, object]:
    """Every kind of source that streams."""
    joined = files / "one.txt"
    joined.write_text("\n<|endoftext|>\n".join(TEXTS))
    parts = {f"{files}/part-0.jsonl": 2, f"{files}/part-[12].jsonl": 1}
    mixture = [{"dataset": path, "weight": weight} for path, weight in parts.items()]
    return {"files": f"{files}/*.jsonl", "text": str(joined), "mixture": mixture}


def rows_of(spec, tokenizer, place=None, packing="best_fit", **more) -> StreamedRows:
    stream = open_source(spec).texts("text", streaming=True)
    return StreamedRows(stream, tokenizer, "text", LENGTH, packing, place=place, **more)


@pytest.mark.parametrize("packing", ["best_fit", "concatenate"])
@pytest.mark.parametrize("kind", ["files", "text"])
def test_each_pass_has_every_document_once(files, tokenizer, kind, packing):
    whole = sorted([0, *tokenizer(text, add_special_tokens=False)["input_ids"], 1] for text in TEXTS)
    rows, found = rows_of(specs(files)[kind], tokenizer, packing=packing), []
    for row in islice(iter(rows), 100):
        if rows.places[-1].epoch == 2:
            break
        assert sum(map(len, row)) <= LENGTH
        found += [piece.tolist() for piece in row]
    assert rows.places[-1].epoch == 2
    if packing == "best_fit":
        assert sorted(found) == sorted(whole + whole)
    else:
        assert sorted(chain(*found)) == sorted(chain(*whole, *whole))


@pytest.mark.parametrize("kind", ["files", "text", "mixture"])
def test_from_every_place_on_it_gives_the_same_rows(files, tokenizer, kind):
    spec = specs(files)[kind]
    rows = rows_of(spec, tokenizer)
    given = [np.concatenate(row).tolist() for row in islice(iter(rows), 40)]
    assert rows.places[-1].epoch >= 2, "the test does not go beyond a pass"
    for seen in range(0, 30):
        place = StreamState(**json.loads(json.dumps(asdict(rows.place_after(seen)))))
        again = rows_of(spec, tokenizer, place)
        follow = [np.concatenate(row).tolist() for row in islice(iter(again), 10)]
        assert follow == given[seen : seen + 10], seen
        assert again.place_after(seen + 10).rows + again.place_after(seen + 10).given == seen + 10


def test_rows_are_in_another_order_than_the_corpus_and_by_the_seed(files, tokenizer):
    spec = specs(files)["files"]
    zero, one, same = (
        [np.concatenate(r).tolist() for r in islice(iter(rows_of(spec, tokenizer, seed=seed)), 8)]
        for seed in (0, 1, 0)
    )
    assert zero == same and zero != one


def test_a_stream_without_text_says_so(tmp_path, tokenizer):
    path = tmp_path / "empty.jsonl"
    path.write_text('{"text": ""}\n')
    with pytest.raises(RecipeError, match="no text in the column 'text'"):
        next(iter(rows_of(str(path), tokenizer)))


def arguments(files: Path, folder: Path, **more: object) -> list[str]:
    values = {
        "streaming": True, "tokenizer.min_frequency": 1, "max_length": 64, "tokens_per_step": 128, "max_steps": 9,
        "max_eval_documents": 2, "logging_steps": 1, "eval_strategy": "no", "save_total_limit": 3, "save_steps": 4,
    }  # fmt: skip
    return tiny(f"{files}/*.jsonl", folder, **values | more)


def args_of(files: Path, folder: Path, **more: object) -> PretrainArguments:
    return load_recipe(arguments(files, folder, **more), phase="pretrain", arguments=PretrainArguments).args


def test_what_is_held_out_is_not_trained_on(files, tmp_path):
    args = args_of(files, tmp_path / "model")
    corpus = read_stream(args, open_source(args.dataset), None)
    here, held_out = [record["text"] for record in corpus.train], corpus.held_out["text"][:]
    assert len(held_out) == 2 and not set(held_out) & set(here) and len(here) == len(TEXTS) + 1 - 2
    assert len(make_tokenizer({"vocab_size": 270, "min_frequency": 1}, corpus.train, "text", 64)) == 270
    args = args_of(files, tmp_path / "model", decontaminate=3)
    corpus = read_stream(args, open_source(args.dataset), None)
    left = [record["text"] for record in corpus.train if record["text"]]
    begun = [" ".join(text.split()[:3]) for text in corpus.held_out["text"]]
    assert len(left) < len(here) and not any(beginning in text for beginning in begun for text in left)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"max_steps": -1}, "max_tokens, max_minutes or max_steps"),
        ({"max_bytes": 100}, "max_bytes"),
        ({"dataloader_num_workers": 1}, "dataloader_num_workers"),
    ],
)
def test_what_a_stream_cannot_do_is_refused(files, tmp_path, wrong, says):
    with pytest.raises(RecipeError, match=f"streaming: .*{says}"):
        args_of(files, tmp_path / "model", **wrong)


def test_interrupted_it_ends_with_the_same_weights(files, tmp_path):
    """After a checkpoint in the middle of a pass."""
    whole, again = tmp_path / "whole", tmp_path / "again"
    main(arguments(files, whole))
    state = json.loads((whole / "checkpoint-4" / "trainer_state.json").read_text())
    place = state["stateful_callbacks"]["SaveStreamState"]["attributes"]["place"]
    assert place["rows"] + place["given"] == 8
    shutil.copytree(whole, again)
    as_if_killed(again, 8, 9)
    (again / "model.safetensors").unlink()
    main(arguments(files, again))
    assert same_weights(again, whole)
