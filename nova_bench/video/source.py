"""A video as a sequence of frames: one interface to whole clips and decoder streams for frame-by-frame work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.video.clip import Clip

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class FrameChunk:
    """Consecutive frames: uint8 RGB [n, H, W, 3], and when each is shown, in seconds from the first one.

    ``times`` is empty if the file has no time stamps.
    """

    frames: np.ndarray
    times: Sequence[Fraction] = ()


@dataclass(eq=False)
class FrameSource:
    """What is known about a video before its frames, and the frames.

    fps: the average rate, None if there is none. tick: the container's clock tick in seconds, None without one.
    frame_count: None while a decoder is still producing frames. chunks: consumed once; a chunk's frames are only valid
    until the next one is requested. Raises :class:`MediaError` at the end of a file that was cut off.
    variable_frame_rate, notes: as in a clip, complete after the last chunk.
    """

    path: Path
    fps: Fraction | None
    tick: Fraction | None
    height: int
    width: int
    frame_count: int | None
    chunks: Iterator[FrameChunk]
    variable_frame_rate: bool = False
    notes: tuple[str, ...] = ()


def source_of(clip: Clip) -> FrameSource:
    """A whole clip as a source with one chunk."""
    frames = clip.frames.numpy()
    count, height, width = frames.shape[:3]
    chunk = FrameChunk(frames, clip.times if count > 1 else ())
    return FrameSource(
        path=clip.path,
        fps=clip.fps,
        tick=clip.tick,
        height=height,
        width=width,
        frame_count=count,
        chunks=iter((chunk,)),
        variable_frame_rate=clip.variable_frame_rate,
        notes=clip.notes,
    )
