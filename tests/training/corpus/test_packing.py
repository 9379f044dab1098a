"""Documents in a row do not see each other, nothing is lost, and equal content is not prepared twice."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny_runs import TEXTS

from silly_llm.core.errors import RecipeError
from silly_llm.training.corpus.packing import IGNORED, PackedCollator, index_of, pack
from silly_llm.training.corpus.texts import byte_lengths
from silly_llm.training.corpus.tokenizer import TokenizerConfig, train_tokenizer
from silly_llm.training.corpus.tokens import tokenize
from silly_llm.training.model.isolation import require_isolation
from silly_llm.training.model.models import build_model, model_config

LENGTH = 48


@pytest.fixture
def packed(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    texts = [*TEXTS, " ".join(TEXTS[:4])]  # the last one is longer than a row
    dataset = Dataset.from_dict({"text": texts})
    return dataset, pack(tokenize(dataset, tokenizer, text_column="text"), max_length=LENGTH)


def documents_of(dataset, tokenizer):
    return [[0, *tokenizer(text, add_special_tokens=False)["input_ids"], 1] for text in dataset["text"]]


def test_every_token_of_every_document_is_in_exactly_one_row(packed, tokenizer):
    dataset, rows = packed
    assert all(sum(map(len, row)) <= LENGTH for row in rows)
    pieces = [piece.tolist() for row in rows for piece in row]
    whole = documents_of(dataset, tokenizer)
    assert sorted(pieces) == sorted(ids[i : i + LENGTH] for ids in whole for i in range(0, len(ids), LENGTH))
    assert len(rows) < len(pieces), "nothing was packed"


@pytest.mark.parametrize("isolate", [True, False])
def test_concatenated_rows_are_the_corpus_cut_at_every_row(tokenizer, tmp_path, monkeypatch, isolate):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    monkeypatch.setattr("silly_llm.training.corpus.tokens.SHARD_BYTES", 150)  # rows lie across shards
    dataset = Dataset.from_dict({"text": TEXTS})
    tokens = tokenize(dataset, tokenizer, text_column="text", processes=1)
    packed = pack(tokens, max_length=LENGTH, packing="concatenate", isolate=isolate)
    rows = [[piece.tolist() for piece in row] for row in packed]
    corpus = [token for ids in documents_of(dataset, tokenizer) for token in ids]
    pieces = [corpus[i : i + LENGTH] for i in range(0, len(corpus), LENGTH)]
    assert [[token for piece in row for token in piece] for row in rows] == pieces
    if isolate:
        assert all(0 not in piece[1:] and 1 not in piece[:-1] for row in rows for piece in row)
    else:
        assert all(len(row) == 1 for row in rows)


def test_best_fit_wastes_little_and_loses_nothing():
    documents = np.random.default_rng(0).integers(2, 700, 5_000).astype(np.int32)
    starts, lengths, rows = index_of(documents, 384).values()
    assert np.add.reduceat(lengths, rows[:-1]).max() <= 384
    assert (len(rows) - 1) * 384 < 1.01 * documents.sum()
    order = np.argsort(starts)
    assert (starts[order] == np.cumsum(lengths[order]) - lengths[order]).all() and lengths.sum() == documents.sum()


SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
NEO = {"preset": "tinystories-1m", "window_size": 8}  # a window shorter than a document
QWEN = {"model_type": "qwen3", "num_key_value_heads": 2, "head_dim": 32, "intermediate_size": 96, **SMALL}
GPT2 = {"model_type": "gpt2", **SMALL}
ATTENTION = {
    "sdpa": ("silly-tiny", GPT2, QWEN), "eager": ("silly-tiny", NEO, GPT2), "blockwise": ("silly-tiny", QWEN),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "attention"), [(spec, name) for name, specs in ATTENTION.items() for spec in specs])
def test_packed_logits_equal_separate_logits(packed, tokenizer, spec, attention):
    _, rows = packed
    config = model_config(spec, vocab_size=len(tokenizer), max_length=LENGTH, tokenizer=tokenizer)
    model = build_model(config, 0, attn_implementation=attention).eval()
    require_isolation(model, LENGTH)
    batch = PackedCollator(LENGTH, tokenizer.pad_token_id, tokenizer.eos_token_id)(list(rows))
    with torch.no_grad():
        together = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
        for number, row in enumerate(rows):
            start = 0
            for piece in row:
                ids = torch.tensor(piece.tolist())[None]
                alone = model(input_ids=ids, use_cache=False).logits[0]
                assert (together[number, start : start + len(piece)] - alone).abs().max() < 1e-5
                start += len(piece)


@pytest.mark.parametrize(
    "spec",
    [
        {"model_type": "bloom", "hidden_size": 64, "n_layer": 2, "n_head": 2},
        {"model_type": "mamba", "hidden_size": 64, "num_hidden_layers": 2},
        {"model_type": "opt", "ffn_dim": 64, "word_embed_proj_dim": 64, **SMALL},
    ],
)
def test_what_would_leak_is_refused(spec):
    model = build_model(model_config(spec, vocab_size=300, max_length=LENGTH), 0, attn_implementation="eager")
    with pytest.raises(RecipeError, match="see each other"):
        require_isolation(model, LENGTH)
    assert model.training


def test_labels_predict_the_next_token_of_the_same_piece_only(packed, tokenizer):
    _, rows = packed
    for predict_end in (True, False):
        batch = PackedCollator(LENGTH, tokenizer.pad_token_id, tokenizer.eos_token_id, predict_end)(list(rows))
        for number, row in enumerate(rows):
            expected = []
            for piece in row:
                expected += [*(IGNORED if i == 1 and not predict_end else i for i in piece[1:]), IGNORED]
            expected += [IGNORED] * (LENGTH - len(expected))
            assert batch["shift_labels"][number].tolist() == expected


def test_equal_content_is_read_from_the_cache_and_a_change_is_not(packed, tokenizer):
    dataset, rows = packed

    def folder(texts, tokenizer=tokenizer):
        return tokenize(Dataset.from_dict({"text": texts}), tokenizer, text_column="text").folder

    assert folder(dataset["text"][:]) == rows.tokens.folder
    assert folder([*dataset["text"][:-1], "Another end."]) != rows.tokens.folder
    # The same bytes, another cut
    assert folder(["ab", "c"]) != folder(["a", "bc"])
    other = train_tokenizer(TEXTS, TokenizerConfig(vocab_size=280), max_length=LENGTH)
    assert folder(dataset["text"][:], other) != rows.tokens.folder
    assert len(pack(rows.tokens, max_length=LENGTH // 2)) > len(rows)
    assert len(pack(rows.tokens, max_length=LENGTH)) == len(rows)


def test_bytes_are_those_of_the_text_and_mistakes_are_named(tokenizer):
    assert byte_lengths(Dataset.from_dict({"text": ["né", "", None, "ab"]}), "text").tolist() == [3, 0, 0, 2]
    with pytest.raises(RecipeError, match=r"no column 'txet' \(did you mean 'text'\?\)"):
        tokenize(Dataset.from_dict({"text": ["a"]}), tokenizer, text_column="txet")
    with pytest.raises(RecipeError, match="no text in the column 'text'"):
        tokenize(Dataset.from_dict({"text": ["", None]}), tokenizer, text_column="text")
