"""Runs frames in batches as large as memory allows, across the clips of a batch."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from nova_bench.core.batches import work_in_batches
from nova_bench.core.device import free_cuda_bytes
from nova_bench.networks.frames import gather

if TYPE_CHECKING:
    import torch

    from nova_bench.video import Clip

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOG = logging.getLogger(__name__)
_CPU_BYTES = 2**27  # larger batches no longer fit the caches
_CUDA_SHARE = 0.5  # of free memory: estimates are rough
_MOST = 64


def batch_size(device: str, bytes_per_item: float) -> int:
    """How many items with that memory need to take at once: at least 1."""
    budget = free_cuda_bytes(device) * _CUDA_SHARE if device.startswith("cuda") else _CPU_BYTES
    return max(1, min(_MOST, int(budget / bytes_per_item)))


def in_batches(
    items: Sequence[Item], size: int, work: Callable[[Sequence[Item]], Sequence[Result]]
) -> Iterator[Result]:
    """Results of ``work`` on batches of at most ``size``, in order; batches shrink if memory runs out."""
    for _, outcome in work_in_batches(items, size, work, _LOG.info):
        if isinstance(outcome, Exception):
            raise outcome
        yield outcome


def per_frame(
    clips: Sequence[Clip],
    device: str,
    bytes_per_frame: Callable[[int, int], float],
    work: Callable[[torch.Tensor], torch.Tensor],
) -> list[torch.Tensor]:
    """One tensor [T, ...] for each clip: ``work`` turns frames [N, 3, H, W] (0-255, on ``device``) into [N, ...].

    Clips with frames of one size share batches. ``bytes_per_frame`` estimates memory from height and width.
    """
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        height, width = clip.frames.shape[1:3]
        groups[height, width].append(index)
    results: dict[int, torch.Tensor] = {}
    for (height, width), members in groups.items():
        items = [(index, frame) for index in members for frame in range(clips[index].frame_count)]
        size = batch_size(device, bytes_per_frame(height, width))
        outcomes = in_batches(items, size, lambda batch: work(gather(clips, batch, device)).unbind())
        for (index, frame), outcome in zip(items, outcomes, strict=True):
            if index not in results:  # one allocation: many small ones would keep the batches' memory from being reused
                results[index] = outcome.new_empty((clips[index].frame_count, *outcome.shape))
            results[index][frame] = outcome
    return [results[index] for index in range(len(clips))]
