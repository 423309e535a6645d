"""Boxes [N, 4] as (left, top, right, bottom) in pixels: areas, overlaps, suppression, refinement."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

_LARGEST = math.log(1000 / 16)  # by whose exponential a box may grow


def areas(boxes: Tensor) -> Tensor:
    """[..., 4] -> [...]."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def overlaps(box: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of one box [4] with others [N, 4]; where both are empty, not a number."""
    low, high = torch.maximum(box[:2], others[:, :2]), torch.minimum(box[2:], others[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    return shared / (areas(box) + areas(others) - shared)


def clipped(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes cut at the borders of an image."""
    across, down = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([across, down], dim=-1).flatten(-2)


def refined(boxes: Tensor, deltas: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Boxes moved and resized by (dx, dy, log dw, log dh), each divided by its weight, in units of the box's size."""
    low, high = boxes[:, :2], boxes[:, 2:]
    sizes = high - low
    centres = low + 0.5 * sizes
    scaled = deltas / deltas.new_tensor(weights)
    centres = centres + scaled[:, :2] * sizes
    half = 0.5 * (scaled[:, 2:].clamp(max=_LARGEST).exp() * sizes)
    return torch.cat([centres - half, centres + half], dim=1)


def suppressed(boxes: Tensor, scores: Tensor, threshold: float, wanted: int) -> Tensor:
    """Which boxes stay in non-maximum suppression, the best first: indices [at least ``wanted``, if so many stay].

    A box goes if it overlaps a better one that stays by more than ``threshold``. Among equal scores the first is
    better. Of the boxes after the first ``wanted`` only those with the score of the last of these are sure to be there.
    """
    if (compiled := compiled_suppression()) is not None:
        return compiled(boxes, scores, threshold)
    order = scores.argsort(descending=True, stable=True).cpu()
    sorted_boxes, sorted_scores = boxes.cpu()[order], scores.cpu()[order].tolist()
    gone = torch.zeros(len(order), dtype=torch.bool)
    kept: list[int] = []
    for index in range(len(order)):
        if gone[index]:
            continue
        if len(kept) >= wanted and sorted_scores[index] < sorted_scores[kept[wanted - 1]]:
            break
        kept.append(index)
        # The compiled operators compare float32 with the threshold in float64, which is not its nearest float32.
        gone[index + 1 :] |= overlaps(sorted_boxes[index], sorted_boxes[index + 1 :]).double() > threshold
    return order[torch.tensor(kept, dtype=torch.int64)].to(boxes.device)


@cache
def compiled_suppression() -> Callable[[Tensor, Tensor, float], Tensor] | None:
    """Torchvision's compiled suppression, if it is installed and fits the installed torch."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, AttributeError, OSError):
        return None
    try:
        operator = torch.ops.torchvision.nms
    except (AttributeError, RuntimeError):
        return None
    return operator
