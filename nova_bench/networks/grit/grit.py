"""GRiT-B, put together: frames in, objects with their names and captions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.networks.grit import cascade
from nova_bench.networks.grit.config import MULTIPLE, PATCH, GRiTConfig
from nova_bench.networks.grit.proposals import Boxes, ProposalGenerator
from nova_bench.networks.grit.pyramid import Backbone
from nova_bench.networks.grit.roi_align import pooled
from nova_bench.networks.grit.text_decoder import BINS, TextDecoder, Texts
from nova_bench.networks.weights import load_network, under_both_names

_STAGES = 3
_MEAN = (123.675, 116.28, 103.53)
_DEVIATION = (58.395, 57.12, 57.375)
# The mask head isn't used, and the second decoder is the first by another name.
_USED = ("backbone.", "proposal_generator.centernet_head.", "roi_heads.box_", "roi_heads.text_decoder.")
_SAME = (
    ("roi_heads.text_decoder_det.", "roi_heads.text_decoder."),
    ("roi_heads.text_decoder.textual.embedding.words.weight", "roi_heads.text_decoder.textual.output.weight"),
)


@dataclass(frozen=True)
class Found:
    """The objects of one image, the best first: boxes in pixels with their scores, and features [N, 196, channels]."""

    boxes: Boxes
    features: Tensor


class ROIHeads(nn.Module):
    """What looks at single boxes, under official names."""

    def __init__(self, config: GRiTConfig):
        super().__init__()
        self.box_head = nn.ModuleList(cascade.BoxHead(config) for _ in range(_STAGES))
        self.box_predictor = nn.ModuleList(cascade.BoxPredictor(config.box_width) for _ in range(_STAGES))
        self.text_decoder = TextDecoder(config)

    @property
    def stages(self) -> list[tuple[nn.Module, nn.Module]]:
        """Head and predictor of each stage of the cascade."""
        return list(zip(self.box_head, self.box_predictor, strict=True))


class GRiT(nn.Module):
    """Frames [N, 3, H, W] in 0-255 -> objects of each, and texts about them."""

    def __init__(self, config: GRiTConfig = GRiTConfig()):
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.proposal_generator = ProposalGenerator(config)
        self.roi_heads = ROIHeads(config)

    def bytes_per_frame(self, height: int, width: int) -> float:
        """Memory for one frame: logits of one block's attention over the frame, activations, pyramid, box features."""
        tokens = -(-height // PATCH) * -(-width // PATCH)
        heads = self.config.width // 64
        maps = tokens * (self.config.width * 16 + self.config.channels * 5 * 8)
        return 4 * (2 * heads * tokens**2 + maps + 256 * self.config.channels * 49 * 4)

    def prepared(self, frames: Tensor) -> Tensor:
        """Normalized, with zeros at the right and at the bottom up to multiples of 32."""
        mean, deviation = (frames.new_tensor(values).view(3, 1, 1) for values in (_MEAN, _DEVIATION))
        height, width = frames.shape[-2:]
        return F.pad((frames - mean) / deviation, (0, -width % MULTIPLE, 0, -height % MULTIPLE))

    def find(self, frames: Tensor) -> list[Found]:
        """The objects of each frame."""
        levels = self.backbone(self.prepared(frames))
        proposals = self.proposal_generator(levels)
        size = (frames.shape[-2], frames.shape[-1])
        found = [cascade.kept(boxes) for boxes in cascade.judged(self.roi_heads.stages, levels[:3], proposals, size)]
        features = pooled(levels[:3], [boxes.boxes for boxes in found], BINS)
        return [Found(*pair) for pair in zip(found, features.split([len(boxes) for boxes in found]), strict=True)]

    def describe(self, features: Tensor, begins: Sequence[int]) -> list[Texts]:
        """Texts about boxes with these features [N, 196, channels], for each begin."""
        return self.roi_heads.text_decoder.textual(features, begins)

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of an official file that are used.

        Words have the same weights whether read or written; officially those under the second name are loaded last. A
        file may name the decoder's tensors, which both tasks share, by the second decoder only.
        """
        return {key: value for key, value in under_both_names(state, _SAME).items() if key.startswith(_USED)}


def load_grit(path: Path) -> GRiT:
    """GRiT-B of the official file, in float32."""
    return load_network(GRiT, path, GRiT.official_keys, entry="model")
