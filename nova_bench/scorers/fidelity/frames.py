"""Which frames of a video are compared with which of its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nova_bench.errors import MediaError
from nova_bench.scorers.base import Sample, ScorerSettings

if TYPE_CHECKING:
    import numpy as np


class FidelitySettings(ScorerSettings):
    """How a video meets its reference."""

    frames: Literal["same", "common"] = "same"
    """``same``: both must have the same number of frames; ``common``: the shorter one's length is compared."""


def paired_frames(sample: Sample, settings: FidelitySettings, scorer: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames to compare: uint8 RGB [H, W, 3] views of (video, reference).

    Raises :class:`MediaError` without a reference or if the two don't fit together.
    """
    if sample.reference is None:
        raise MediaError(f"{sample.clip.path}: {scorer} compares with a reference video", "name one in the suite")
    video, reference = sample.clip.frames.numpy(), sample.reference.frames.numpy()
    if video.shape[1:] != reference.shape[1:]:
        (h, w), (rh, rw) = video.shape[1:3], reference.shape[1:3]
        raise MediaError(
            f"{sample.clip.path}: {w}x{h}, but its reference {sample.reference.path} is {rw}x{rh}",
            f"{scorer} compares pixel by pixel; bring both to one size",
        )
    if len(video) != len(reference) and settings.frames == "same":
        raise MediaError(
            f"{sample.clip.path}: {len(video)} frames, but its reference {sample.reference.path} has {len(reference)}",
            "bring both to one length, or set `frames: common` to compare as many as both have",
        )
    return list(zip(video, reference, strict=False))
