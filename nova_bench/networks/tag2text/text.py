"""Tag2Text's two BERTs: one reads the tags beside the image, one writes the caption."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nova_bench.networks.bert import KeysValues
from nova_bench.networks.bert_text import Bert, Embeddings, Head, TextConfig

# The vocabulary of both has two words more than BERT's: one begins a caption, one a list of tags.
TEXT = TextConfig(vocabulary=30524)


class TagEncoder(nn.Module):
    """Tags as ids [N, tokens], of which ``seen`` [N, tokens] are no padding, and image tokens [N, 145, 1024] -> states
    [N, tokens, width]. The states of padding are states like the others: the captions' decoder reads them too.
    """

    def __init__(self, config: TextConfig, image_width: int):
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = config.encoder(image_width)

    def forward(self, ids: Tensor, seen: Tensor, image: Tensor) -> Tensor:
        x = self.embeddings(ids)
        for layer in self.encoder.layers:
            x = layer(x, mask=seen[:, None, None], memory=layer.crossattention.keys_values(image))
        return x


class CaptionDecoder(nn.Module):
    """Writes captions from states."""

    def __init__(self, config: TextConfig):
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.cls = Head(config)

    def begin(self, states: Tensor, prompt: Sequence[int], longest: int) -> tuple[Captions, Tensor]:
        """Begin a caption of at most ``longest`` tokens for each of the states [N, tokens, width].

        Returns the captions and the logits of the token after the prompt, [N, vocabulary].
        """
        captions = Captions(self, states, longest)
        ids = torch.tensor([list(prompt)], device=states.device).expand(len(states), -1)
        return captions, captions.add(ids)


class Captions:
    """Captions being written, with the keys and values of their tokens so far.

    The rows of one image (its beams) stand side by side; all images have the same number of them.
    """

    def __init__(self, decoder: CaptionDecoder, states: Tensor, longest: int):
        self._decoder, config = decoder, decoder.config
        channels = config.width // config.heads
        self._memories = [layer.crossattention.keys_values(states) for layer in decoder.bert.encoder.layers]
        self._past = [KeysValues(len(states), config.heads, longest, channels, states) for _ in self._memories]

    def add(self, ids: Tensor) -> Tensor:
        """Add tokens [rows, tokens] to the rows; return the logits of the next one, [rows, vocabulary]."""
        bert, count = self._decoder.bert, ids.shape[1]
        x = bert.embeddings(ids, self._past[0].length)
        # Several tokens are only added at the start, where they see themselves and those before.
        mask = torch.ones(count, count, dtype=torch.bool, device=x.device).tril() if count > 1 else None
        for layer, past, memory in zip(bert.encoder.layers, self._past, self._memories, strict=True):
            x = layer(x, past, mask, memory)
        return self._decoder.cls.predictions(x[:, -1])

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows, in this order; a row may be repeated."""
        for past in self._past:
            past.keep(rows)

    def keep_images(self, images: Tensor) -> None:
        """Forget the states of all images but these; their rows must be kept too."""
        self._memories = [(keys[images], values[images]) for keys, values in self._memories]
