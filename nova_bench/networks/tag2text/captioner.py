"""Images to tags and captions in words, as VBench has Tag2Text do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.bert_tokens import END, PADDING, WORDS, BertTokenizer
from nova_bench.networks.sharing import shared_network
from nova_bench.networks.tag2text.beam_search import Rules
from nova_bench.networks.tag2text.model import load_tag2text
from nova_bench.networks.tag2text.tags import names_of, read_tags

_CAPTION, _TAGS = WORDS, WORDS + 1  # the words that begin a caption and a list of tags
_PROMPT = "a picture of "
_TAG_TOKENS = 40
_RULES = Rules(end=END)
_CAPTIONS = 32  # written side by side, in half a gigabyte: each step reads all weights once


@dataclass(frozen=True)
class Described:
    """What Tag2Text says of an image. The caption lacks the prompt's first 13 characters, as officially."""

    tags: list[str]
    caption: str


class Captioner:
    """Tag2Text on a device, with its tags and its vocabulary. Raises UserError for a file that isn't the official one.

    The scorers of a process share the network.
    """

    def __init__(self, weights: Path, tags: Path, vocabulary: Path, device: str):
        self._device = device
        self._tags = read_tags(tags)
        self._tokenizer = BertTokenizer(vocabulary, added=2)
        self._prompt = [_CAPTION, *self._tokenizer.ids(_PROMPT)[1:-1]]
        self._network = shared_network(load_tag2text, weights, device)

    def describe(self, images: Sequence[Tensor]) -> list[Described]:
        """Tags and a caption for each image [3, 384, 384], normalized, on the device.

        Many images share a batch; captions are written in larger batches than tags are found in.
        """
        size = batch_size(self._device, self._network.config.bytes_per_image)
        read = list(in_batches(images, size, self._read))
        captions = in_batches([states for _, states in read], _CAPTIONS, self._write)
        return [Described(tags, caption) for (tags, _), caption in zip(read, captions, strict=True)]

    def _read(self, images: Sequence[Tensor]) -> list[tuple[list[str], Tensor]]:
        """The tags of images, and the states that their captions are written from."""
        tokens = self._network.image_tokens(torch.stack(list(images)))
        tags = names_of(self._network.tag_logits(tokens), self._tags)
        ids = [[_TAGS, *self._tokenizer.ids(" | ".join(names), _TAG_TOKENS)[1:]] for names in tags]
        padded = torch.tensor([[*row, *[PADDING] * (_TAG_TOKENS - len(row))] for row in ids], device=self._device)
        states = self._network.states(tokens, padded, padded != PADDING)
        return list(zip(tags, states, strict=True))

    def _write(self, states: Sequence[Tensor]) -> list[str]:
        captions = self._network.captions(torch.stack(list(states)), self._prompt, _RULES)
        return [self._tokenizer.text(ids)[len(_PROMPT) :] for ids in captions]
