"""BERT's token ids and texts equal those of transformers' BertTokenizer; the vocabulary is a made-up one."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from transformers import BertTokenizer as Theirs

from nova_bench.core.errors import UserError
from nova_bench.networks.bert_tokens import END, START, WORDS, BertTokenizer

VOCABULARY = Path(__file__).parents[1] / "data" / "bert_vocab.txt.gz"


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert") / "vocab.txt"
    path.write_bytes(gzip.decompress(VOCABULARY.read_bytes()))
    return path


@pytest.fixture(scope="module")
def ours(vocabulary: Path) -> BertTokenizer:
    return BertTokenizer(vocabulary, added=2)


@pytest.fixture(scope="module")
def theirs(vocabulary: Path) -> Theirs:
    tokenizer = Theirs.from_pretrained(vocabulary.parent, clean_up_tokenization_spaces=True)
    tokenizer.add_special_tokens({"additional_special_tokens": ["[DEC]", "[ENC]"]})
    return tokenizer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a picture of ",
        "tennis | bear cub | Watercolor Illustration",
        "h\xe9llo w\xf6rld, \u6771\u4eac na\xefve \xc5NGSTR\xd6M",
        "it's a dog's life, isn't it? ...!",
        " | ".join(["street light"] * 30),
    ],
)
def test_ids(ours: BertTokenizer, theirs: Theirs, text: str) -> None:
    assert ours.ids(text, 40) == theirs(text, truncation=True, max_length=40).input_ids
    assert ours.ids(text) == theirs(text).input_ids


def test_texts(ours: BertTokenizer, theirs: Theirs) -> None:
    draw = random.Random(0)
    marks = [ours.ids(mark)[1] for mark in ".?!,'smtn"]
    for _ in range(300):
        numbers = [draw.choice([draw.randrange(WORDS + 2), *draw.sample(marks, 2), END]) for _ in range(20)]
        expected = theirs.decode(numbers, skip_special_tokens=True, clean_up_tokenization_spaces=True)
        assert ours.text(numbers) == expected


def test_special_tokens_have_no_text(ours: BertTokenizer) -> None:
    assert ours.text([START, WORDS, WORDS + 1, *ours.ids("a b"), 0, 0]) == "a b"


def test_a_cut_text_keeps_its_end(ours: BertTokenizer) -> None:
    assert ours.ids("a b c d", 4) == [*ours.ids("a b")[:3], END]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "has 1 entries, expected 30522"),
        (b"\xff\xfe", "can't be read as text"),
        (b"word\n" * 30522, "lacks BERT's special tokens in their places"),
        (b"word\n" * 28996, "has 28996 entries, expected 30522"),
    ],
)
def test_another_vocabulary_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=problem) as refusal:
        BertTokenizer(path)
    assert "assets fetch bert-vocab" in str(refusal.value.remedy)
