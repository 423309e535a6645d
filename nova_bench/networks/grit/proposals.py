"""Proposals: where objects may be, whatever they are (CenterNet2, Zhou et al., 2021, arXiv 2103.07461)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.networks.grit.boxes import suppressed
from nova_bench.networks.grit.config import STRIDES, GRiTConfig

_FAINTEST = 1e-4  # heat of a cell that proposes a box
_PER_LEVEL = 1000
_OVERLAP = 0.9
_MOST = 256
_SMALLEST_SIDE = 0.01


@dataclass(frozen=True)
class Boxes:
    """Boxes [N, 4] in pixels, with a score [N] each, of one image."""

    boxes: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: Tensor) -> Boxes:
        return Boxes(self.boxes[chosen], self.scores[chosen])


class Scale(nn.Module):
    """A learned factor."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


class Head(nn.Module):
    """Logits of the heat, [N, 1, rows, columns], and distances to four sides in strides, [N, 4, ...], of each level."""

    def __init__(self, channels: int):
        super().__init__()
        tower: list[nn.Module] = []
        for _ in range(4):
            tower += [nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(32, channels), nn.ReLU()]
        self.bbox_tower = nn.Sequential(*tower)
        self.bbox_pred = nn.Conv2d(channels, 4, 3, padding=1)
        self.scales = nn.ModuleList(Scale() for _ in STRIDES)
        self.agn_hm = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, levels: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        towers = [self.bbox_tower(level) for level in levels]
        return [
            (self.agn_hm(tower), F.relu(self.bbox_pred(tower) * factor.scale))
            for tower, factor in zip(towers, self.scales, strict=True)
        ]


class ProposalGenerator(nn.Module):
    """Five maps -> proposals of each image: about 256, the best first, not clipped; scores are the heat's root."""

    def __init__(self, config: GRiTConfig):
        super().__init__()
        self.centernet_head = Head(config.channels)

    def forward(self, levels: list[Tensor]) -> list[Boxes]:
        maps = [(*outputs, stride) for outputs, stride in zip(self.centernet_head(levels), STRIDES, strict=True)]
        return [
            best_of_levels([_on_level(heat[image, 0], sides[image], stride) for heat, sides, stride in maps])
            for image in range(len(levels[0]))
        ]


def _on_level(heat: Tensor, sides: Tensor, stride: int) -> Boxes:
    """Boxes of the warm cells of one level: heat [rows, columns] as logits, sides [4, rows, columns] in strides."""
    columns = heat.shape[1]
    heat = heat.sigmoid().flatten()
    cells = (heat > _FAINTEST).nonzero()[:, 0]
    if len(cells) > _PER_LEVEL:
        cells = cells[heat[cells].topk(_PER_LEVEL, sorted=False).indices]
    places = torch.stack([cells % columns, cells // columns], dim=1) * stride + stride // 2
    distances = sides.flatten(1).T[cells] * stride
    low, high = places - distances[:, :2], places + distances[:, 2:]
    high = torch.maximum(high, low + _SMALLEST_SIDE)
    return Boxes(torch.cat([low, high], dim=1), heat[cells].sqrt())


def best_of_levels(levels: list[Boxes]) -> Boxes:
    """The best of all levels that don't overlap much. All that share the last score stay."""
    found = Boxes(torch.cat([level.boxes for level in levels]), torch.cat([level.scores for level in levels]))
    found = found[suppressed(found.boxes, found.scores, _OVERLAP, _MOST)]
    return found if len(found) <= _MOST else found[found.scores >= found.scores[_MOST - 1]]
