"""Text to the token ids of bert-base-uncased and back, as transformers 4.33's BertTokenizer has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nova_bench.core.errors import UserError
from nova_bench.core.regular_files import read_text

VOCABULARY_ASSET = "bert-vocab"
WORDS = 30522
PADDING, UNKNOWN, START, END, MASK = 0, 100, 101, 102, 103
_SPECIAL = {"[PAD]": PADDING, "[UNK]": UNKNOWN, "[CLS]": START, "[SEP]": END, "[MASK]": MASK}
# In this order, each on what the one before left; " ' " joins words only where the text has spaces on both sides.
_TIDIED = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")


class BertTokenizer:
    """bert-base-uncased's word pieces, from the file that lists them. Raises UserError if it is another file.

    ``added``: how many further special tokens follow the words. They have ids and no text.
    """

    def __init__(self, vocabulary: Path, added: int = 0):
        from tokenizers import BertWordPieceTokenizer

        self._words = _read_words(vocabulary)
        self._special = {*_SPECIAL.values(), *range(WORDS, WORDS + added)}
        ids = {word: number for number, word in enumerate(self._words)}
        self._tokenizer: Any = BertWordPieceTokenizer(ids, lowercase=True)

    def ids(self, text: str, longest: int | None = None) -> list[int]:
        """The ids of a text, with a start and an end; at most ``longest``, of which the last is the end."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [START, *ids[: None if longest is None else longest - 2], END]

    def text(self, ids: Iterable[int]) -> str:
        """The text of ids without special tokens: pieces joined to words, spaces before punctuation removed."""
        words = " ".join(self._words[number] for number in ids if number not in self._special)
        text = words.replace(" ##", "").strip()
        for ending in _TIDIED:
            text = text.replace(ending, ending.strip())
        return text


def _read_words(path: Path) -> Sequence[str]:
    try:
        words = read_text(path).rstrip("\n").split("\n")
    except (OSError, ValueError) as error:
        raise _wrong(path, "can't be read as text") from error
    if len(words) != WORDS:
        raise _wrong(path, f"has {len(words)} entries, expected {WORDS}")
    if any(words[number] != word for word, number in _SPECIAL.items()):
        raise _wrong(path, "lacks BERT's special tokens in their places")
    return words


def _wrong(path: Path, what: str) -> UserError:
    return UserError(
        f"{path}: {what}: not the vocabulary of bert-base-uncased",
        f"use the official file: python -m nova_bench assets fetch {VOCABULARY_ASSET}",
    )
