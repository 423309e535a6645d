"""Motion of the fastest pixels between two frames, by RAFT; the basis of dynamic degree and the static filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.networks.batching import batch_size, in_batches
from nova_bench.networks.frames import padded, to_float
from nova_bench.scorers.base import ScorerContext

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nova_bench.networks.raft import RAFT

ASSET = "raft-things"
_MULTIPLE = 8  # of RAFT's input sides
_NAN_SIDE = 128  # padded sides below it make the flow NaN ...
_ERROR_SIDE = 64  # ... and below this one the official code stops with an error

UNMEASURED = "the official verdict rests on no measurement: the video is too small or too short for RAFT's motion"

Pair = tuple[int, int]


def load_raft(context: ScorerContext) -> RAFT:
    """RAFT with the official weights, on the context's device."""
    from nova_bench.kernels.layers import speed_up
    from nova_bench.networks.raft import RAFT
    from nova_bench.networks.weights import load_network

    return speed_up(load_network(RAFT, context.asset(ASSET), RAFT.official_keys), context.device)


def unmeasurable(height: int, width: int) -> str | None:
    """Why RAFT gives no number for frames of that size; None if it does."""
    if min(_padded(height), _padded(width)) >= _NAN_SIDE:
        return None
    return f"{width}x{height}: RAFT measures no motion where a side is below {_NAN_SIDE - _MULTIPLE + 1} pixels"


def official_fails(height: int, width: int) -> bool:
    """Whether the official code raises an error for frames of that size."""
    return min(_padded(height), _padded(width)) < _ERROR_SIDE


def _padded(length: int) -> int:
    return length + -length % _MULTIPLE


class PairMotion:
    """Scores of pairs of one clip's frames: the mean of the largest ``share`` of flow magnitudes, in pixels.

    Measured on the padded flow, as in the official code. Pairs go through RAFT in batches as memory allows, and a frame
    in two consecutive pairs is encoded once.
    """

    def __init__(self, network: RAFT, frames: torch.Tensor, device: str, share: float):
        """``frames``: uint8 [T, H, W, 3]."""
        from nova_bench.networks.raft import bytes_per_frame, bytes_per_pair

        self._network, self._frames, self._device = network, frames, device
        height, width = (_padded(length) for length in frames.shape[1:3])
        self._fastest = int(height * width * share)
        self._frames_at_once = batch_size(device, bytes_per_frame(height, width))
        self._pairs_at_once = batch_size(device, bytes_per_pair(device, height, width))
        self._encoded: dict[int, Tensor] = {}

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        """One score for each (first frame, second frame)."""
        return list(in_batches(pairs, self._pairs_at_once, self._score))

    def _score(self, pairs: Sequence[Pair]) -> list[float]:
        import torch

        needed = sorted({frame for pair in pairs for frame in pair})
        images = padded(to_float(self._frames[needed], self._device), _MULTIPLE)
        position = {frame: index for index, frame in enumerate(needed)}
        self._encoded = {frame: features for frame, features in self._encoded.items() if frame in position}
        if missing := [frame for frame in needed if frame not in self._encoded]:
            features = in_batches(
                missing,
                self._frames_at_once,
                lambda part: self._network.features(images[[position[frame] for frame in part]]).unbind(),
            )
            self._encoded.update(zip(missing, features, strict=True))
        flow = self._network.flow(
            torch.stack([self._encoded[first] for first, _ in pairs]),
            torch.stack([self._encoded[second] for _, second in pairs]),
            self._network.context(images[[position[first] for first, _ in pairs]]),
        )
        magnitudes = flow.square().sum(dim=1).sqrt().flatten(1)
        return magnitudes.topk(self._fastest, dim=1, sorted=False).values.mean(dim=1).tolist()
