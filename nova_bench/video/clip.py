"""The results of decoding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Clip:
    """A decoded video, or an image as a clip of one frame.

    frames: uint8 RGB [T, H, W, 3] on the CPU, upright, at the stored size or at the one that was asked for; scorers
        share it and must not write to it.
    fps: the stream's average frame rate (what OpenCV reports and VBench uses); None for a still image.
    pix_fmt: how pixels are stored in the file, e.g. ``yuv420p`` (for images Pillow's mode, e.g. ``RGB``).
    frame_count: T.
    declared_frames: number of frames that the container declares; None if it doesn't.
    rotation: degrees, counter-clockwise and a multiple of 90, by which the stored frames were turned to stand upright.
    variable_frame_rate: True if the time between frames is not constant, so that ``fps`` is only an average.
    mirrored: True if the turned frames were then mirrored left to right.
    times: when each frame is shown, in seconds from the first one, [T]; empty for a still image or a file without time
        stamps.
    tick: the container's clock tick in seconds, to which times are rounded; None without times.
    notes: what a reader of scores must know about the file, without its name, so that equal notes can be counted.
    """

    frames: torch.Tensor
    fps: Fraction | None
    pix_fmt: str
    frame_count: int
    declared_frames: int | None
    rotation: int
    variable_frame_rate: bool
    path: Path
    times: tuple[Fraction, ...] = ()
    tick: Fraction | None = None
    notes: tuple[str, ...] = ()
    mirrored: bool = False


@dataclass(frozen=True)
class MediaInfo:
    """Contents of a file's header, read without decoding a picture.

    width, height: pixels as stored, before any rotation. fps: None for a still image.
    frames: None if the container doesn't state it.
    """

    path: Path
    width: int
    height: int
    fps: Fraction | None
    frames: int | None
    pix_fmt: str
    codec: str
