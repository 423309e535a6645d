"""CLIP's token ids, as its own code makes them; with no more merges than VBench's prompts and these texts need."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from nova_bench.core.errors import UserError
from nova_bench.networks.clip_tokens import CLIPTokenizer, cleaned, stacked

MERGES = Path(__file__).parents[1] / "data" / "clip_merges.txt.gz"
START, END = 49406, 49407


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer(MERGES)


# The ids are from OpenAI's simple_tokenizer.py, with all merges.
@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a fantasy landscape", [320, 5267, 5727]),
        ("Van Gogh style", [2451, 19697, 1844]),
        ("CAN'T YOU'LL I'M", [753, 713, 592, 1342, 328, 880]),
        ("Don\u2019t stop \u2014 \u201cnow\u201d", [847, 713, 1691, 2005, 257, 692, 257]),
        ("sch\xf6n \u4f60\u597d \U0001f600\U0001f680!!", [844, 7255, 333, 47466, 254, 29290, 377, 12832, 22400, 748]),
        ("&lt;b&gt; &amp;amp; x", [283, 321, 285, 261, 343]),
        ("1st 22 3.5 \xbd \xb2 \u2167", [272, 545, 273, 273, 274, 269, 276, 33613, 41175, 158, 227, 371]),
        ("<|endoftext|> hi", [49407, 1883]),
        ("", []),
    ],
)
def test_ids_are_the_official_ones(tokenizer: CLIPTokenizer, text: str, ids: list[int]) -> None:
    assert tokenizer.ids(text) == [START, *ids, END]


def test_texts_are_cleaned_before() -> None:
    assert cleaned(" Don\u2019t\n\u201cSTOP\u201d  &amp;amp; go\t\uff01") == 'don\'t "stop" & go !'
    assert cleaned("fa\u00c3\u00a7ade, \ufb01ne") == "fa\u00e7ade, fine"  # wrongly decoded; a ligature


def test_a_long_text_is_cut_and_keeps_its_end(tokenizer: CLIPTokenizer) -> None:
    ids = tokenizer.ids("a fantasy landscape " * 20)
    assert tokenizer.cut(ids, 32) == [*ids[:31], END]
    assert tokenizer.cut(ids[:32], 32) == ids[:32]


def test_shorter_texts_are_padded() -> None:
    assert stacked([[1, 2, 3], [4]]).tolist() == [[1, 2, 3], [4, 0, 0]]


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b'"v"\na b\n', mtime=0), gzip.compress(b"\xff\xfe", mtime=0), b""]
)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bpe.txt.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"bpe\.txt\.gz: not CLIP's list of merges"):
        CLIPTokenizer(path)
