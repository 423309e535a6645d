"""ROIAlign (He et al., 2017, arXiv 1703.06870) with ``aligned`` coordinates and as many samples as a bin has cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from nova_bench.networks.grit.boxes import areas
from nova_bench.networks.grit.config import STRIDES

_POOLED = STRIDES[:3]  # strides of the maps that are read
_CANONICAL = 224  # side of a box that reads the second of them
_FIRST, _SECOND = 3, 4  # what the first two maps are called


def pooled(maps: Sequence[Tensor], boxes: Sequence[Tensor], bins: int) -> Tensor:
    """Features of boxes: three maps [images, C, rows, columns] and boxes [N, 4] per image -> [all boxes, bins², C].

    The size of a box decides which map it reads. Bins are in row-major order.
    """
    images = torch.cat([torch.full((len(some),), image) for image, some in enumerate(boxes)]).to(maps[0].device)
    joined = torch.cat(list(boxes))
    result = maps[0].new_zeros(len(joined), bins**2, maps[0].shape[1])
    levels = level_of(joined)
    for level, (values, stride) in enumerate(zip(maps, _POOLED, strict=False)):
        chosen = (levels == level).nonzero()[:, 0]
        result[chosen] = roi_align(values, joined[chosen], images[chosen], 1 / stride, bins)
    return result


def level_of(boxes: Tensor) -> Tensor:
    """Which of the three maps a box reads: [N, 4] -> 0, 1 or 2, [N]."""
    level = torch.floor(_SECOND + torch.log2(areas(boxes).sqrt() / _CANONICAL + 1e-8))
    return level.clamp(_FIRST, _FIRST + len(_POOLED) - 1).long() - _FIRST


def roi_align(values: Tensor, boxes: Tensor, images: Tensor, scale: float, bins: int) -> Tensor:
    """One map [images, C, rows, columns], boxes [N, 4] in pixels and their images [N] -> [N, bins², C].

    A bin is the mean of samples in between cells: each of up to four cells with its weight. Samples more than a cell
    outside the map count as zeros, as in torchvision's compiled operators (its Python version clamps them).
    """
    count, channels, rows, columns = values.shape
    cells = values.permute(0, 2, 3, 1).reshape(count * rows * columns, channels)
    low, high = boxes[:, :2] * scale - 0.5, boxes[:, 2:] * scale - 0.5
    sizes = (high - low) / bins  # of a bin, (across, down)
    samples = sizes.ceil().long()
    result = values.new_zeros(len(boxes), bins**2, channels)
    for across, down in samples.unique(dim=0).tolist():
        if across < 1 or down < 1:  # an empty box
            continue
        chosen = (samples == samples.new_tensor([across, down])).all(dim=1).nonzero()[:, 0]
        x, x_weights = _taps(low[chosen, 0], sizes[chosen, 0], across, columns, bins)
        y, y_weights = _taps(low[chosen, 1], sizes[chosen, 1], down, rows, bins)
        start = (images[chosen] * rows)[:, None, None]
        places = (start + y)[:, :, None, :, None] * columns + x[:, None, :, None, :]  # [boxes, bins, bins, taps, taps]
        weights = y_weights[:, :, None, :, None] * x_weights[:, None, :, None, :]
        summed = F.embedding_bag(
            places.flatten(3).flatten(0, 2), cells, mode="sum", per_sample_weights=weights.flatten(3).flatten(0, 2)
        )
        result[chosen] = summed.view(-1, bins**2, channels)
    return result


def _taps(start: Tensor, size: Tensor, samples: int, length: int, bins: int) -> tuple[Tensor, Tensor]:
    """Cells along one axis that bins read, and their weights: each [boxes, bins, 2 * samples]."""
    bin_numbers = torch.arange(bins, device=start.device)[:, None]
    within = torch.arange(samples, device=start.device) + 0.5
    places = start[:, None, None] + bin_numbers * size[:, None, None] + within * size[:, None, None] / samples
    outside = (places < -1) | (places > length)
    places = places.clamp(0, length - 1)
    before = places.floor()
    after = (before + 1).clamp(max=length - 1)
    fraction = places - before
    weights = torch.stack([1 - fraction, fraction], dim=-1) / samples
    weights = weights.masked_fill(outside[..., None], 0.0)
    return torch.stack([before, after], dim=-1).long().flatten(2), weights.flatten(2)
