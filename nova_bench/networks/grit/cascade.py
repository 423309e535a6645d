"""The cascade that tells objects from background and fits their boxes (Cai and Vasconcelos, 2018, arXiv 1712.00726)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.networks.grit.boxes import clipped, refined, suppressed
from nova_bench.networks.grit.config import GRiTConfig
from nova_bench.networks.grit.proposals import Boxes
from nova_bench.networks.grit.roi_align import pooled

_BINS = 7
_WEIGHTS = (10.0, 20.0, 30.0)  # of a stage's shifts; those of sizes are half of them
_LEAST_SCORE = 0.5  # VBench's threshold, not the published configuration's 0.02
_OVERLAP = 0.5
_MOST = 256


class BoxHead(nn.Module):
    """Features of boxes [N, 49, channels] -> [N, box_width]."""

    def __init__(self, config: GRiTConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.channels * _BINS**2, config.box_width)
        self.fc2 = nn.Linear(config.box_width, config.box_width)

    def forward(self, features: Tensor) -> Tensor:
        channels_first = features.transpose(1, 2).flatten(1)
        return F.relu(self.fc2(F.relu(self.fc1(channels_first))))


class BoxPredictor(nn.Module):
    """[N, box_width] -> logits of object and background [N, 2], and changes of the box [N, 4]."""

    def __init__(self, width: int):
        super().__init__()
        self.cls_score = nn.Linear(width, 2)
        self.bbox_pred = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(x), self.bbox_pred(x)


def moved(boxes: Tensor, deltas: Tensor, stage: int, sizes: tuple[int, int]) -> Tensor:
    """The boxes that a stage makes of its own, inside the image."""
    weight = _WEIGHTS[stage]
    return clipped(refined(boxes, deltas, (weight, weight, weight / 2, weight / 2)), *sizes)


def judged(
    cascade: Sequence[tuple[nn.Module, nn.Module]],
    maps: Sequence[Tensor],
    proposals: Sequence[Boxes],
    sizes: tuple[int, int],
) -> list[Boxes]:
    """All proposals of each image with the boxes that the cascade fits, clipped; scores are not compared yet.

    ``sizes``: height and width of the images before padding. A score is the root of the proposal's score and of the
    probability of an object, the mean of three stages.
    """
    counts = [len(some) for some in proposals]
    boxes = torch.cat([some.boxes for some in proposals])
    objectness = torch.cat([some.scores for some in proposals])
    probability = torch.zeros_like(objectness)
    for number, (head, predictor) in enumerate(cascade):
        logits, deltas = predictor(head(pooled(maps, boxes.split(counts), _BINS)))
        boxes = moved(boxes, deltas, number, sizes)
        probability += logits.softmax(dim=1)[:, 0]
    scores = (probability / len(cascade) * objectness).sqrt()
    return [Boxes(*pair) for pair in zip(boxes.split(counts), scores.split(counts), strict=True)]


def kept(found: Boxes) -> Boxes:
    """The boxes of one image that count as objects, the best first."""
    finite = found.boxes.isfinite().all(dim=1) & found.scores.isfinite()
    found = found[(finite & (found.scores > _LEAST_SCORE)).nonzero()[:, 0]]
    found = found[suppressed(found.boxes, found.scores, _OVERLAP, _MOST)[:_MOST]]
    low, high = found.boxes[:, :2], found.boxes[:, 2:]
    return found[(high > low).all(dim=1).nonzero()[:, 0]]
