"""Frames of several clips share batches, and batches shrink when memory runs out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from nova_bench.networks import amt, batching, clip, correlation, musiq, raft
from nova_bench.networks.batching import batch_size, in_batches, per_frame

from ..scorers.conftest import clip_of


def numbered(count: int, height: int, width: int, first: int) -> np.ndarray:
    """Frames whose pixels are all ``first``, ``first`` + 1, ..."""
    levels = np.arange(first, first + count, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(levels, (count, height, width, 3))


@pytest.fixture
def clips() -> list:
    return [clip_of(numbered(n, h, w, 40 * i)) for i, (n, h, w) in enumerate([(5, 4, 6), (3, 8, 6), (2, 4, 6)])]


def test_every_frame_comes_back_to_its_clip(clips: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "batch_size", lambda device, size: 4)
    sizes = []

    def work(frames: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(frames.shape))
        return frames.mean(dim=(1, 2, 3))

    found = per_frame(clips, "cpu", lambda height, width: 1, work)
    assert [frames.tolist() for frames in found] == [[0, 1, 2, 3, 4], [40, 41, 42], [80, 81]]
    assert sizes == [(4, 3, 4, 6), (3, 3, 4, 6), (3, 3, 8, 6)]  # clips 0 and 2 are of one size


def failing_above(limit: int, error: Exception) -> tuple[Callable, list[int]]:
    tried: list[int] = []

    def work(items: list[int]) -> list[int]:
        tried.append(len(items))
        if len(items) > limit:
            raise error
        return [item * item for item in items]

    return work, tried


def test_batches_shrink_when_memory_runs_out() -> None:
    work, tried = failing_above(3, torch.OutOfMemoryError("out of memory"))
    assert list(in_batches(range(9), 8, work)) == [item * item for item in range(9)]
    assert tried == [8, 4, 2, 2, 2, 2, 1]


def test_other_errors_are_raised() -> None:
    work, _ = failing_above(0, ValueError("wrong frame"))
    with pytest.raises(ValueError, match="wrong frame"):
        list(in_batches(range(3), 2, work))


def test_an_item_larger_than_memory_is_still_tried() -> None:
    assert batch_size("cpu", 1e15) == 1
    assert batch_size("cpu", 1.0) == 64


def test_a_4k_frame_fits_a_gpu_of_eight_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the estimates that batches rest on, one by one and without the correlation of all pairs (67 GB)."""
    for module in (batching, correlation):
        monkeypatch.setattr(module, "free_cuda_bytes", lambda device: 8e9)
    size = (2160, 3840)
    needs = [
        raft.bytes_per_frame(*size),
        raft.bytes_per_pair("cuda", *size),
        amt.bytes_per_pair("cuda", *size),
        musiq.bytes_per_frame(*size),
        clip.VIT_L_14.bytes_per_frame(*size),
    ]
    assert correlation.bytes_kept("cuda", 270, 480, 20) == 0.0
    assert max(needs) < 8e9
    assert [batch_size("cuda", need) for need in needs[:3]] == [1, 1, 1]
