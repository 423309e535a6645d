"""Writes mPLUG's answers: a BERT that reads an image's states, shared by all questions, and each question's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nova_bench.networks.bert import Attention, KeysValues
from nova_bench.networks.bert_text import Bert, Head
from nova_bench.networks.mplug.config import MPlugConfig

KeyValue = tuple[Tensor, Tensor]


class AnswerDecoder(nn.Module):
    """The decoder, under official names."""

    def __init__(self, config: MPlugConfig):
        super().__init__()
        self.config = config.text
        self.bert = Bert(config.text)
        self.cls = Head(config.text)

    def memories(self, states: Tensor) -> list[KeyValue]:
        """Keys and values of states for each layer's cross-attention."""
        return [layer.crossattention.keys_values(states) for layer in self.bert.encoder.layers]


class Answers:
    """Answers being written: a number of rows for each question, side by side.

    ``image``: keys and values of the image's states for each layer, of one image for all questions or of one for each.
    ``question``: those of the questions' own states, of which ``seen`` [N, tokens] are no padding.
    """

    def __init__(
        self,
        decoder: AnswerDecoder,
        image: Sequence[KeyValue],
        question: Sequence[KeyValue],
        seen: Tensor,
        longest: int,
    ):
        self._decoder, config = decoder, decoder.config
        self._image, self._question, self._seen = list(image), list(question), seen
        self._owners = torch.arange(len(seen), device=seen.device)  # of each row, its question among those that run
        channels = config.width // config.heads
        self._past = [KeysValues(len(seen), config.heads, longest, channels, image[0][0]) for _ in image]

    def step(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Go on with these rows, each with its token: logits [rows, vocabulary] of the next one."""
        self._keep(rows)
        decoder = self._decoder
        x = decoder.bert.embeddings(tokens[:, None], self._past[0].length)
        layers = zip(decoder.bert.encoder.layers, self._past, self._image, self._question, strict=True)
        for layer, past, image, question in layers:
            x = layer.attention(x, *past.append(*layer.attention.keys_values(x)))
            x = self._read(layer.crossattention, x, image, question)
            x = layer.output(layer.intermediate(x), x)
        return decoder.cls.predictions(x[:, 0])

    def _keep(self, rows: Tensor) -> None:
        """Rearrange what is kept for each row, and forget questions that have none any more."""
        for past in self._past:
            past.keep(rows)
        running, self._owners = self._owners[rows].unique_consecutive(return_inverse=True)
        if len(running) < len(self._seen):
            self._question = [(keys[running], values[running]) for keys, values in self._question]
            if len(self._image[0][0]) > 1:
                self._image = [(keys[running], values[running]) for keys, values in self._image]
            self._seen = self._seen[running]

    def _read(self, attention: Attention, x: Tensor, image: KeyValue, question: KeyValue) -> Tensor:
        """One softmax over the image's states and the question's own, which have their keys in different places."""
        count = len(self._seen)
        query = attention.queries(x.view(count, -1, x.shape[-1]))  # [questions, heads, rows, channels]
        query = query * query.shape[-1] ** -0.5
        about_image = _times(query, image[0].transpose(2, 3))
        about_question = (query @ question[0].transpose(2, 3)).masked_fill(~self._seen[:, None, None], -torch.inf)
        weights = torch.cat([about_image, about_question], dim=3).softmax(dim=3)
        of_image, of_question = weights.split([about_image.shape[3], about_question.shape[3]], dim=3)
        mixed = _times(of_image, image[1]) + of_question @ question[1]
        return attention.output(mixed.transpose(1, 2).reshape(x.shape), x)


def _times(rows: Tensor, shared: Tensor) -> Tensor:
    """[questions, heads, rows, A] @ [questions or 1, heads, A, B], which is read once if it is shared."""
    if len(shared) == len(rows):
        return rows @ shared
    questions, heads, count, _ = rows.shape
    product = rows.transpose(0, 1).flatten(1, 2) @ shared[0]  # [heads, questions * rows, B]
    return product.view(heads, questions, count, -1).transpose(0, 1)
