"""What a pretraining reads: one long document is cut, blank rows are counted, and only texts are texts."""

from __future__ import annotations

import json

import pytest

from silly_llm.core.errors import RecipeError
from silly_llm.data.sources import open_source
from silly_llm.training.arguments import PretrainKeys
from silly_llm.training.corpus.documents import read_stream, read_texts

STORIES = [
    f"Once there was a cat, number {i}.\n\nIt sat, and sat; and then it ran away to be happy." for i in range(400)
]


def corpus_of(dataset, **keys):
    args = PretrainKeys(dataset=dataset, **keys)
    eval_source = open_source(args.eval_dataset) if args.eval_dataset else None
    return read_texts(args, open_source(dataset), eval_source, 0)


@pytest.mark.parametrize("joint", ["\n\n\n", "\n", " "])
def test_one_long_document_is_cut_so_that_some_can_be_held_out(tmp_path, joint):
    """A book, stories in lines, a text without line breaks: no character but white space is lost."""
    whole = joint.join(s if "\n" in joint[1:] else s.replace("\n", " ") for s in STORIES)
    (tmp_path / "book.txt").write_text(whole)
    corpus = corpus_of(str(tmp_path / "book.txt"))
    pieces = [*corpus.train["text"], *corpus.held_out["text"]]
    assert len(pieces) >= 50 and len(corpus.held_out) >= 1
    assert sum(len("".join(p.split())) for p in pieces) == len("".join(whole.split()))
    assert set(" ".join(pieces).split()) <= set(whole.split()), "whole words"
    assert "1 long document, cut at paragraphs into" in corpus.notices[0] and "separator" in corpus.notices[0]


@pytest.mark.parametrize("text", ["Hi you.", "猫が走った。犬も走った。"])
def test_even_a_short_text_is_enough(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    corpus = corpus_of(str(tmp_path / "a.txt"))
    assert len(corpus.train) >= 1 and len(corpus.held_out) >= 1


def test_ten_stories_stay_whole(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": s}) + "\n" for s in STORIES[:10]))
    corpus = corpus_of(str(tmp_path / "a.jsonl"))
    assert (len(corpus.train), len(corpus.held_out), corpus.notices) == (9, 1, [])


def test_blank_rows_are_left_out_and_counted(tmp_path):
    rows = [*STORIES[:50], "", " \n\t", None, "\u3000\u00a0"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": s}) + "\n" for s in rows))
    corpus = corpus_of(str(tmp_path / "a.jsonl"))
    assert len(corpus.train) == 49 and len(corpus.held_out) == 1 and corpus.left_out["blank"] == 4
    evaluated = corpus_of(str(tmp_path / "a.jsonl"), eval_dataset=str(tmp_path / "a.jsonl"))
    assert len(evaluated.held_out) == 50


def test_documents_shared_with_the_evaluation_are_counted(tmp_path):
    for name, rows in (("a", [*STORIES[:5], *"abc"]), ("b", STORIES[:5])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": s}) + "\n" for s in rows))
    corpus = corpus_of(str(tmp_path / "a.jsonl"), eval_dataset=str(tmp_path / "b.jsonl"), decontaminate=18)
    assert corpus.train["text"][:] == ["a", "b", "c"] and corpus.left_out["shared with the evaluation"] == 5


def test_a_stream_that_is_held_out_whole_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("One document.")
    args = PretrainKeys(dataset=str(tmp_path / "a.txt"), streaming=True)
    with pytest.raises(RecipeError, match="500 holds out all that the stream has"):
        read_stream(args, open_source(args.dataset), None)


def test_nothing_but_blank_rows_is_no_text(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": " "}\n{"text": null}\n')
    with pytest.raises(RecipeError, match="no text in the column 'text'"):
        corpus_of(str(tmp_path / "a.jsonl"))
