"""BERT's embeddings and head (Devlin et al., 2019, arXiv 1810.04805) under their official names."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from nova_bench.networks.bert import EPSILON, Encoder, Layer


@dataclass(frozen=True)
class TextConfig:
    """Sizes of a BERT."""

    width: int = 768
    depth: int = 12
    heads: int = 12
    inner: int = 3072
    vocabulary: int = 30522
    positions: int = 512

    def encoder(self, memory: int) -> Encoder:
        """The layers, which attend to a memory of that width."""
        return Encoder([Layer(self.width, self.heads, self.inner, memory) for _ in range(self.depth)])


class Embeddings(nn.Module):
    """Ids [N, tokens], of which the first is at position ``start`` -> [N, tokens, width]."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocabulary, config.width)
        self.position_embeddings = nn.Embedding(config.positions, config.width)
        self.LayerNorm = nn.LayerNorm(config.width, eps=EPSILON)

    def forward(self, ids: Tensor, start: int = 0) -> Tensor:
        positions = self.position_embeddings.weight[start : start + ids.shape[1]]
        return self.LayerNorm(self.word_embeddings(ids) + positions)


class Bert(nn.Module):
    """Embeddings and layers, under their official name."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = config.encoder(config.width)


class Transform(nn.Module):
    """What comes before the product with the word embeddings."""

    def __init__(self, width: int):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.activation = nn.GELU()
        self.LayerNorm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return self.LayerNorm(self.activation(self.dense(x)))


class Predictions(nn.Module):
    """[N, width] -> a logit per word. The weights of ``decoder`` are the word embeddings."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.transform = Transform(config.width)
        self.decoder = nn.Linear(config.width, config.vocabulary)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.transform(x))


class Head(nn.Module):
    """The predictions under their official name."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.predictions = Predictions(config)
