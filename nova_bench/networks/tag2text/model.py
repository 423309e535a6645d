"""Tag2Text as a whole: images to tags and captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from nova_bench.networks.bert import Attention
from nova_bench.networks.bert_text import TextConfig
from nova_bench.networks.swin import Swin, SwinConfig
from nova_bench.networks.tag2text.beam_search import Rules, search
from nova_bench.networks.tag2text.text import TEXT, CaptionDecoder, TagEncoder
from nova_bench.networks.weights import load_network, under_both_names

TAGS = 3429
_TAG_LAYERS, _TAG_HEADS = 2, 4
# Officially one tensor under two names. Of two values, the one under the second name is the one that counts.
_SAME = (
    ("tag_encoder.", "vision_multi."),
    ("text_decoder.bert.embeddings.word_embeddings.weight", "text_decoder.cls.predictions.decoder.weight"),
    ("text_decoder.cls.predictions.bias", "text_decoder.cls.predictions.decoder.bias"),
)


@dataclass(frozen=True)
class Tag2TextConfig:
    """Sizes of the network."""

    image: SwinConfig = field(default_factory=SwinConfig)
    text: TextConfig = TEXT
    tags: int = TAGS

    @property
    def bytes_per_image(self) -> float:
        """Memory for one image, as far as its tags are known: Swin, or a layer of the tagging head."""
        return max(self.image.bytes_per_frame, 4 * self.tags * (4 * self.text.width + 2 * self.text.inner))


class TagLogits(nn.Module):
    """[N, tags, width] -> a logit per tag, each from its own weights."""

    def __init__(self, tags: int, width: int):
        super().__init__()
        self.W = nn.Parameter(torch.zeros(1, tags, width))
        self.b = nn.Parameter(torch.zeros(1, tags))

    def forward(self, x: Tensor) -> Tensor:
        return (self.W * x).sum(dim=-1) + self.b


class Tag2Text(nn.Module):
    """Images [N, 3, 384, 384], normalized with ImageNet's mean and deviation -> tags; image and tags -> captions."""

    def __init__(self, config: Tag2TextConfig = Tag2TextConfig()):
        super().__init__()
        self.config = config
        self.visual_encoder = Swin(config.image)
        self.tag_encoder = TagEncoder(config.text, config.image.features)
        self.text_decoder = CaptionDecoder(config.text)
        self.label_embed = nn.Embedding(config.tags, config.text.width)
        self.fc = TagLogits(config.tags, config.text.width)

    def settle(self) -> None:
        """Let the tagging head read the image with the weights of the tag encoder's first layers, and fewer heads."""
        self.tag_attentions = nn.ModuleList(
            layer.crossattention.with_heads(_TAG_HEADS) for layer in self.tag_encoder.encoder.layers[:_TAG_LAYERS]
        )

    def image_tokens(self, images: Tensor) -> Tensor:
        """[N, 145, 1024], of which the first is the mean of the others."""
        return self.visual_encoder(images)

    def tag_logits(self, image: Tensor) -> Tensor:
        """A logit per tag, [N, tags], from image tokens: each tag looks at the image, none at another tag."""
        x = self.label_embed.weight[None]
        for attention, layer in zip(self.tag_attentions, self.tag_encoder.encoder.layers, strict=False):
            assert isinstance(attention, Attention)
            x = attention(x, *attention.keys_values(image))
            x = layer.output(layer.intermediate(x), x)
        return self.fc(x)

    def states(self, image: Tensor, ids: Tensor, seen: Tensor) -> Tensor:
        """What captions are written from, [N, tokens, width]: the tags' ids [N, tokens], seen beside the image.

        ``seen`` [N, tokens] is False for padding.
        """
        return self.tag_encoder(ids, seen, image)

    def captions(self, states: Tensor, prompt: Sequence[int], rules: Rules) -> list[list[int]]:
        """The best caption of each image as ids, with the prompt and without an end."""
        return search(self.text_decoder, states, prompt, rules)

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of an official file that the network needs; as officially, others are ignored."""
        found = under_both_names(state, _SAME)
        with torch.device("meta"):
            needed = Tag2Text().state_dict()
        return {key: found[key] for key in needed if key in found}


def load_tag2text(path: Path) -> Tag2Text:
    """Tag2Text of the official file. The official code runs it in float32 on every device."""
    return load_network(Tag2Text, path, Tag2Text.official_keys, entry="model")
