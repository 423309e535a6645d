"""Limits on the cost of reading one video or picture. Every error names the setting that raises its limit."""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict, Field

from nova_bench.core.errors import MediaError


class MediaLimits(BaseModel):
    """Limits for reading one file. The defaults admit ten minutes of 1080p at 60 frames per second.

    They protect a run of thousands from one file and don't affect any score: a refused file is a failed sample.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    max_pixels: int = Field(default=100_000_000, ge=1)
    """Pixels of a still picture."""
    max_frame_pixels: int = Field(default=10_000_000, ge=1)
    """Pixels of one frame of a video or animation; the default admits 4096x2160."""
    max_frames: int = Field(default=100_000, ge=1)
    """Frames of a video."""
    max_seconds: float = Field(default=3_600.0, gt=0)
    """Length of a video."""
    max_megabytes: int = Field(default=16_384, ge=1)
    """Size of a file, in MiB."""
    max_decoded_megabytes: int = Field(default=4_096, ge=1)
    """Memory for the frames of one video if a scorer needs all of them at once, in MiB."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """Time that decoding one file may take."""
    stall_seconds: float = Field(default=60.0, gt=0)
    """Time that a decoder may take for its next frame."""
    folder_fps: float | None = Field(default=None, gt=0, le=1000)
    """Read a folder of numbered pictures as one video with this many frames per second; `model.layout: frames` sets it.
    Without it, a folder is not a video."""
    allow_truncated: bool = False
    """Score cut-off or damaged videos on their intact frames. Cut pictures always fail."""


def over_limit(what: str, setting: str, value: object) -> MediaError:
    """The error for a file that exceeds a limit: ``what`` names the file and what it needs."""
    shown = f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return MediaError(
        f"{what}, more than media.{setting} allows ({shown})", f"--set media.{setting}=N to read this file"
    )


def stalled(path: object, limits: MediaLimits) -> MediaError:
    """The error for a decoder that doesn't finish."""
    return over_limit(f"{path}: the decoder's next frame takes longer", "stall_seconds", limits.stall_seconds)


def too_large_at_once(path: object, limits: MediaLimits) -> MediaError:
    """The error for a video whose frames don't fit into memory together."""
    what = f"{path}: all of its frames at once need more memory"
    return over_limit(what, "max_decoded_megabytes", limits.max_decoded_megabytes)


class Deadline:
    """The time that a decoder spends on one file; the caller's time between two frames doesn't count."""

    def __init__(self, path: object, limits: MediaLimits):
        self._path, self._limits = path, limits
        self._spent = 0.0
        self._started: float | None = None

    def resume(self) -> None:
        """Continue: the decoder works again."""
        self._started = time.monotonic()

    def pause(self) -> None:
        """Pause: the caller has a frame."""
        if self._started is not None:
            self._spent += time.monotonic() - self._started
            self._started = None

    def check(self) -> None:
        """Raise :class:`MediaError` if the decoder took too long for the next frame, or for all of them."""
        waited = 0.0 if self._started is None else time.monotonic() - self._started
        if waited > self._limits.stall_seconds:
            raise stalled(self._path, self._limits)
        if self._spent + waited > self._limits.timeout_seconds:
            raise over_limit(f"{self._path}: decoding takes longer", "timeout_seconds", self._limits.timeout_seconds)
