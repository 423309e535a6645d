"""Text to CLIP's token ids, as OpenAI's and ViCLIP's code has it (simple_tokenizer.py)."""

from __future__ import annotations

import gzip
import html
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ftfy
import torch
from torch import Tensor

from nova_bench.core.errors import UserError

MERGES_ASSET = "clip-bpe"
_START, _END = "<|startoftext|>", "<|endoftext|>"
_MERGES = 49152 - 256 - 2  # lines of the file after its first one; the vocabulary ends there
_WORDS = r"""'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"""


class CLIPTokenizer:
    """CLIP's byte-pair encoding, from the official file of merges. Raises UserError if it is another file."""

    def __init__(self, merges: Path):
        from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

        pairs = _read_merges(merges)
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        words = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, pairs), _START, _END]
        ids = {word: number for number, word in enumerate(words)}
        self._start, self._end = ids[_START], ids[_END]
        self._tokenizer: Any = Tokenizer(models.BPE(vocab=ids, merges=pairs, end_of_word_suffix="</w>"))
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        self._tokenizer.add_special_tokens([AddedToken(word, normalized=False) for word in (_START, _END)])

    def ids(self, text: str) -> list[int]:
        """The ids of a text, with a start and an end."""
        return [self._start, *self._tokenizer.encode(cleaned(text)).ids, self._end]

    def cut(self, ids: Sequence[int], context: int) -> list[int]:
        """At most ``context`` of these ids; the last one stays the end."""
        return [*ids[: context - 1], self._end] if len(ids) > context else list(ids)


def cleaned(text: str) -> str:
    """The text without wrongly decoded, typographic and HTML characters, in lower case and with single spaces."""
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split()).lower()


def stacked(texts: Sequence[Sequence[int]]) -> Tensor:
    """Ids of several texts as one tensor [N, longest], padded with zeros."""
    rows = [torch.tensor(ids, dtype=torch.int64) for ids in texts]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _read_merges(path: Path) -> list[tuple[str, str]]:
    try:
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")[1 : _MERGES + 1]
        pairs = [(first, second) for first, second in (line.split() for line in lines)]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise _wrong(path) from error
    if len(pairs) != _MERGES:
        raise _wrong(path)
    return pairs


def _wrong(path: Path) -> UserError:
    return UserError(
        f"{path}: not CLIP's list of merges", f"use the official file: python -m nova_bench assets fetch {MERGES_ASSET}"
    )
