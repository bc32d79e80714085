"""A tiny random BERT, made on the spot."""

import json

import numpy as np
import pytest

from recbole_kd.data.content.encoder import Identity
from recbole_kd.data.content.sentences import Sentences, _means, load_sentences
from recbole_kd.foundation.errors import UserError

REASON = "{} is not installed (pip install 'recbole-kd[content]')"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    transformers = pytest.importorskip("transformers", reason=REASON.format("transformers"))
    pytest.importorskip("sentence_transformers", reason=REASON.format("sentence-transformers"))
    import torch

    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=10, **sizes)
    transformers.BertModel(config).save_pretrained(folder)
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = transformers.BertTokenizerFast(vocab=vocabulary, model_max_length=10)
    tokenizer.save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    parts = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(parts))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 10, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def load(folder, long="truncate", batch_size=2):
    return load_sentences(str(folder), "cpu", batch_size, long)


def test_rows(folder):
    encoder = load(folder)
    assert (encoder.width, encoder.settings) == (8, {"batch_size": 2, "long": "truncate", "tokens": 8})
    block = encoder([("1", "a b"), ("2", "c"), ("3", "a b")])
    assert block.rows.dtype == np.float32
    assert block.kept.all()
    assert block.notes == {}
    np.testing.assert_allclose(np.linalg.norm(block.rows, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(block.rows[0], block.rows[2], atol=1e-6)
    assert np.abs(block.rows[0] - block.rows[1]).max() > 1e-3
    np.testing.assert_array_equal(load(folder)([("1", "a b"), ("2", "c"), ("3", "a b")]).rows, block.rows)


def test_long_texts_are_cut_off_or_averaged(folder):
    long = " ".join("abcdefghijklmnopqr")
    inputs = [("s", "a b"), ("l", long)]
    cut, mean = load(folder)(inputs), load(folder, "mean")(inputs)
    assert cut.notes == {"texts longer than the 8 tokens that the encoder reads, cut off": ["l"]}
    assert mean.notes == {"texts longer than the 8 tokens that the encoder reads, read in pieces": ["l"]}
    np.testing.assert_allclose(cut.rows[1], load(folder)([("x", long[:15])]).rows[0], atol=1e-6)
    pieces = load(folder)([("1", long[:15]), ("2", long[16:31]), ("3", long[32:])]).rows
    expected = (pieces * [[8], [8], [2]]).sum(0)
    np.testing.assert_allclose(mean.rows[1], expected / np.linalg.norm(expected), atol=1e-5)
    np.testing.assert_allclose(mean.rows[0], cut.rows[0], atol=1e-6)


def test_a_text_of_ten_thousand_words(folder):
    block = load(folder, "mean")([("1", "a b c d e " * 2000)])
    assert np.isfinite(block.rows).all()
    assert list(block.notes.values()) == [["1"]]


def test_a_model_that_is_damaged_is_one_sentence(folder, tmp_path):
    for path in folder.rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(folder)).parent.mkdir(exist_ok=True)
            (tmp_path / path.relative_to(folder)).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(UserError, match="cannot be loaded as a model of texts"):
        load(tmp_path)


def test_means_are_weighted_and_keep_a_length_of_one():
    rows = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    found = _means(rows, np.array([0, 0, 1]), np.array([3, 1, 1]), 2)
    np.testing.assert_allclose(found, [[3 / 10**0.5, 1 / 10**0.5], [1, 0]], rtol=1e-6)
    np.testing.assert_allclose(_means(2 * rows, np.array([0, 0, 1]), np.array([3, 1, 1]), 2)[0], [1.5, 0.5])


def test_a_slow_tokenizer_cuts_no_pieces():
    class Model:
        tokenizer = type("Slow", (), {"num_special_tokens_to_add": lambda self: 2})()
        max_seq_length = 10

    with pytest.raises(UserError, match="slow tokenizer, with which --long=mean does not work"):
        Sentences(Identity("m", "", ""), Model(), 1, "mean")
