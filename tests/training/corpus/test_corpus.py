"""What a pretraining reads: one long document is cut, blank rows are counted, and only texts are texts."""

import pytest
from tiny_runs import write_texts

from silly_llm.core.errors import RecipeError
from silly_llm.data.sources import open_source
from silly_llm.training.corpus.documents import read_stream, read_texts
from silly_llm.training.pretrain_config import PretrainArguments

STORY = "Once there was a cat, number {}.\n\nIt sat, and sat; and then it ran away to be happy."
STORIES = [STORY.format(i) for i in range(400)]


def corpus_of(dataset, **keys):
    args = PretrainArguments(dataset=str(dataset), use_cpu=True, **keys)
    eval_source = open_source(args.eval_dataset) if args.eval_dataset else None
    return read_texts(args, open_source(args.dataset), eval_source)


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
    corpus = corpus_of(write_texts(tmp_path / "a.jsonl", STORIES[:10]))
    assert (len(corpus.train), len(corpus.held_out), corpus.notices) == (9, 1, [])


def test_blank_rows_are_left_out_and_counted(tmp_path):
    texts = write_texts(tmp_path / "a.jsonl", [*STORIES[:50], "", " \n\t", None, "\u3000\u00a0"])
    corpus = corpus_of(texts)
    assert len(corpus.train) == 49 and len(corpus.held_out) == 1 and corpus.left_out["blank"] == 4
    evaluated = corpus_of(texts, eval_dataset=str(texts))
    assert len(evaluated.held_out) == 50


def test_documents_shared_with_the_evaluation_are_counted(tmp_path):
    texts = write_texts(tmp_path / "a.jsonl", [*STORIES[:5], *"abc"])
    evaluated = write_texts(tmp_path / "b.jsonl", STORIES[:5])
    corpus = corpus_of(texts, eval_dataset=str(evaluated), decontaminate=18)
    assert corpus.train["text"][:] == ["a", "b", "c"] and corpus.left_out["shared with the evaluation"] == 5


def test_a_stream_that_is_held_out_whole_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("One document.")
    args = PretrainArguments(dataset=str(tmp_path / "a.txt"), streaming=True, max_steps=1)
    with pytest.raises(RecipeError, match="500 would hold out the whole stream"):
        read_stream(args, open_source(args.dataset), None)
