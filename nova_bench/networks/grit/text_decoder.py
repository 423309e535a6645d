"""Describes what is in a box: a BERT that reads the box's features and writes one word piece after the other (GRiT)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nova_bench.networks.bert import Encoder, KeysValues, Layer
from nova_bench.networks.bert_tokens import END, START
from nova_bench.networks.grit.config import GRiTConfig

BINS = 14  # per side of the features that it reads
OBJECT, CAPTION = START, 104  # what a text begins with: the name of an object, or a dense caption
_LONGEST = 40  # word pieces with the begin
_UNLIKELY = -10000.0


@dataclass(frozen=True)
class Texts:
    """Word pieces [N, length], the begin included, and the mean log-probability of each text [N]."""

    tokens: Tensor
    log_probability: Tensor


class Embedding(nn.Module):
    """Word pieces and their places."""

    def __init__(self, config: GRiTConfig):
        super().__init__()
        self.words = nn.Embedding(config.vocabulary, config.text_width)
        self.positions = nn.Embedding(config.text_positions, config.text_width)
        self.layer_norm = nn.LayerNorm(config.text_width, eps=1e-8)

    def forward(self, tokens: Tensor, start: int) -> Tensor:
        """Ids [N, tokens], the first of which stands at ``start`` -> [N, tokens, width]."""
        return self.layer_norm(self.words(tokens) + self.positions.weight[start : start + tokens.shape[1]])


class Transformer(nn.Module):
    """The layers, under their official name."""

    def __init__(self, config: GRiTConfig):
        super().__init__()
        width, heads = config.text_width, config.text_heads
        self.encoder = Encoder([Layer(width, heads, 4 * width) for _ in range(config.text_depth)])


class Textual(nn.Module):
    """Features of boxes [N, 196, channels] -> texts.

    The features see one another but no text, so their keys and values are computed once, for every word and task.
    """

    def __init__(self, config: GRiTConfig):
        super().__init__()
        self.config = config
        self.object_feature_projection = nn.Sequential(
            nn.Linear(config.channels, config.text_width), nn.LayerNorm(config.text_width)
        )
        self.embedding = Embedding(config)
        self.transformer = Transformer(config)
        self.output = nn.Linear(config.text_width, config.vocabulary)  # its weights are those of the embedding

    @property
    def bytes_per_box(self) -> float:
        """Memory for one box: keys and values of all layers, and activations of one."""
        return 4 * self.config.text_width * (self.config.text_depth * 2 * (BINS**2 + _LONGEST) + 12 * BINS**2)

    def forward(self, features: Tensor, begins: Sequence[int]) -> list[Texts]:
        """The likeliest texts, word by word, for each of ``begins``."""
        memory = self.remember(features)
        texts = []
        for begin in begins:
            for layer in memory:
                layer.length = features.shape[1]
            texts.append(self._write(memory, features.new_full((len(features), 1), begin, dtype=torch.int64)))
        return texts

    def remember(self, features: Tensor) -> list[KeysValues]:
        """Keys and values of features in each layer."""
        x, layers = self.object_feature_projection(features), self.transformer.encoder.layers
        memory = []
        for number, layer in enumerate(layers):
            heads = layer.attention.heads
            memory.append(KeysValues(len(x), heads, x.shape[1] + _LONGEST, x.shape[2] // heads, x))
            if number + 1 < len(layers):
                x = layer(x, memory[-1])
            else:  # nothing reads what the last layer would make of the features
                memory[-1].append(*layer.attention.keys_values(x))
        return memory

    def _write(self, memory: Sequence[KeysValues], tokens: Tensor) -> Texts:
        """Greedy search; a word piece is not repeated at once. Ended texts are filled up with the end token."""
        total = torch.zeros(len(tokens), device=tokens.device)
        while tokens.shape[1] < _LONGEST:
            last = tokens[:, -1]
            logits = self.logits(memory, tokens[:, -1:], tokens.shape[1] - 1)
            if tokens.shape[1] > 1:
                logits.scatter_(1, last[:, None], _UNLIKELY)
                ended = last == END
                logits[ended] = -torch.inf
                logits[ended, END] = 0.0
            best, chosen = logits.log_softmax(dim=1).max(dim=1)
            total += best
            tokens = torch.cat([tokens, chosen[:, None]], dim=1)
            if (chosen == END).all():
                break
        ends = tokens == END
        length = (~ends).sum(dim=1) + ends.any(dim=1).long() - 1
        return Texts(tokens, total / length.clamp(min=1))

    def logits(self, memory: Sequence[KeysValues], tokens: Tensor, start: int) -> Tensor:
        """Logits of the word piece after the last of ``tokens`` [N, n], which join ``memory``: [N, vocabulary]."""
        x = self.embedding(tokens, start)
        before, count = memory[0].length, x.shape[1]
        sees_all = count == 1
        mask = None if sees_all else torch.ones(count, before + count, dtype=torch.bool, device=x.device).tril(before)
        for layer, past in zip(self.transformer.encoder.layers, memory, strict=True):
            x = layer(x, past, mask)
        return self.output(x[:, -1])


class TextDecoder(nn.Module):
    """The decoder under its official name."""

    def __init__(self, config: GRiTConfig):
        super().__init__()
        self.textual = Textual(config)
