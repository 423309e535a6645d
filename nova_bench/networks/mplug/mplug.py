"""mPLUG as a whole: images and questions to answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nova_bench.networks.bert import EPSILON
from nova_bench.networks.mplug.beam_search import Hypothesis, search
from nova_bench.networks.mplug.config import MPlugConfig, read_config
from nova_bench.networks.mplug.decoder import AnswerDecoder, Answers, KeyValue
from nova_bench.networks.mplug.fusion import FusionEncoder, TextEncoder
from nova_bench.networks.mplug.vision import VisualEncoder
from nova_bench.networks.weights import load_network, under_both_names

WEIGHTS = "pytorch_model.bin"
_TYPES = "embeddings.token_type_embeddings.weight"
_POSITIONS = "embeddings.position_embeddings.weight"
_SAME = (
    ("text_decoder.bert.embeddings.word_embeddings.weight", "text_decoder.cls.predictions.decoder.weight"),
    ("text_decoder.cls.predictions.bias", "text_decoder.cls.predictions.decoder.bias"),
)


@dataclass(frozen=True)
class Seen:
    """One image: its states [1, image tokens, width], and what layers make of them that no question changes."""

    states: Tensor
    fusion: list[KeyValue | None]
    decoder: list[KeyValue] | None
    """None if a layer joins image and text, so that the decoder reads other states for each question."""


class MPlug(nn.Module):
    """Images [N, 3, 504, 504], normalized with CLIP's mean and deviation; questions as ids; answers as hypotheses."""

    def __init__(self, config: MPlugConfig = MPlugConfig()):
        super().__init__()
        self.config = config
        width = config.text.width
        self.visual_encoder = VisualEncoder(config)
        self.visn_fc = nn.Linear(config.vision_width, width)
        self.visn_layer_norm = nn.LayerNorm(width, eps=EPSILON)
        self.text_encoder = TextEncoder(config)
        self.fusion_encoder = FusionEncoder(config)
        self.text_decoder = AnswerDecoder(config)

    @property
    def bytes_per_image(self) -> float:
        """Memory for one image: activations of a block, and the keys and values that questions share."""
        config = self.config
        layers = config.fusion_layers + config.text.depth
        return 4 * config.image_tokens * (16 * config.vision_width + 2 * layers * config.text.width)

    def states(self, images: Tensor) -> Tensor:
        """[N, image tokens, width]."""
        return self.visn_layer_norm(self.visn_fc(self.visual_encoder.visual(images)))

    def see(self, images: Tensor) -> list[Seen]:
        """What questions about each image share."""
        return [self._seen(states[None]) for states in self.states(images)]

    def _seen(self, states: Tensor) -> Seen:
        shared = self.text_decoder.memories(states) if self.config.keeps_image else None
        return Seen(states, self.fusion_encoder.memories(states), shared)

    def answer(self, image: Seen, ids: Tensor, seen: Tensor) -> list[list[Hypothesis]]:
        """All hypotheses of each question about an image, the best first.

        ``ids`` [N, tokens], of which ``seen`` [N, tokens] are no padding.
        """
        questions, states = self.fusion_encoder(self.text_encoder(ids, seen), seen, image.states, image.fusion)
        decoder, rules = self.text_decoder, self.config.rules
        shared = image.decoder or decoder.memories(states)
        answers = Answers(decoder, shared, decoder.memories(questions), seen, rules.longest)
        return search(answers.step, len(ids), rules, ids.device)

    @staticmethod
    def official_keys(state: Mapping[str, Tensor], config: MPlugConfig) -> dict[str, Tensor]:
        """The tensors of an official file that are used, by this module's keys.

        Every occurrence of ``model.`` goes, as officially. All tokens are of type 0, whose embedding joins the
        positions'. A word's weights are the same whether read or written.
        """
        found = under_both_names({key.replace("model.", ""): value for key, value in state.items()}, _SAME)
        for bert in ("text_encoder", "text_decoder.bert"):
            if f"{bert}.{_TYPES}" in found and f"{bert}.{_POSITIONS}" in found:
                found[f"{bert}.{_POSITIONS}"] = found[f"{bert}.{_POSITIONS}"] + found[f"{bert}.{_TYPES}"][0]
        with torch.device("meta"):
            needed = MPlug(config).state_dict()
        return {key: found[key] for key in needed if key in found}


def load_mplug(folder: Path) -> MPlug:
    """mPLUG of a folder with the official files, in float32. Raises UserError if one of them is wrong."""
    config = read_config(folder)

    def keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return MPlug.official_keys(state, config)

    return load_network(lambda: MPlug(config), folder / WEIGHTS, keys, entry=("model", "module"))


def padded(texts: Sequence[Sequence[int]], device: str) -> tuple[Tensor, Tensor]:
    """Questions as ids of the longest one's length, and which are no padding: [N, tokens] each."""
    longest = max(map(len, texts))
    ids = torch.tensor([[*text, *[0] * (longest - len(text))] for text in texts], device=device)
    lengths = torch.tensor([len(text) for text in texts], device=device)
    return ids, torch.arange(longest, device=device) < lengths[:, None]
