"""Reads whole videos and pictures."""

from __future__ import annotations

from fractions import Fraction
from os import PathLike
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import MediaError
from nova_bench.video.clip import Clip
from nova_bench.video.limits import MediaLimits, too_large_at_once
from nova_bench.video.opening import open_frames
from nova_bench.video.stream import FrameStream, any_error_as_media_error

if TYPE_CHECKING:
    import numpy as np

_FIRST_ROOM = 2**30  # bytes for the frames that a container declares, before any is decoded


def read_clip(
    path: str | PathLike[str],
    max_frames: int | None = None,
    *,
    size: tuple[int, int] | None = None,
    allow_truncated: bool = False,
    limits: MediaLimits | None = None,
) -> Clip:
    """Decode a video or image file into a :class:`Clip`.

    Frames are RGB at the stored size, turned upright by the display matrix. For 8-bit video they are bit-identical to
    ``cv2.VideoCapture`` (bicubic swscale, with the colour matrix and range that the stream is tagged with, which PyAV
    respects from version 17 on). Deeper formats are reduced to 8 bits and may differ by a few levels. A file's type is
    decided by its content, not its suffix.

    ``max_frames`` stops decoding early. ``size`` (height, width) resamples frames while they are decoded, with exactly
    the values that decord gives for a wanted size; pictures are resampled by Pillow. Raises :class:`MediaError`, and
    nothing else, if the file is missing, isn't a video or image, has no picture, exceeds one of the ``limits``, or if
    frames are damaged or fewer than the container declares. ``allow_truncated`` (here or in ``limits``) accepts damaged
    and missing frames in videos and returns the intact ones.
    """
    if max_frames is not None and max_frames < 1:
        raise ValueError(f"max_frames must be at least 1, not {max_frames}")
    limits = limits or MediaLimits()
    if allow_truncated and not limits.allow_truncated:
        limits = limits.model_copy(update={"allow_truncated": True})
    with open_frames(path, limits, max_frames is None, size) as stream:
        return _collected(stream, max_frames, limits)


def _collected(stream: FrameStream, max_frames: int | None, limits: MediaLimits) -> Clip:
    """All frames of a stream, or the first ``max_frames``."""
    declared = stream.declared_frames
    expected = max_frames if declared is None else min(declared, max_frames or declared)
    frames = _Frames(stream, expected, limits)
    times: list[Fraction | None] = []
    for rgb, time in stream.frames:
        frames.append(rgb)
        times.append(time)
        if frames.count == max_frames:
            break
    known = [time for time in times if time is not None]
    return Clip(
        frames=frames.tensor(),
        fps=stream.fps,
        pix_fmt=stream.pix_fmt,
        frame_count=frames.count,
        declared_frames=declared,
        rotation=stream.orientation.rotation,
        mirrored=stream.orientation.mirrored,
        variable_frame_rate=stream.variable_frame_rate,
        path=stream.path,
        times=tuple(known) if len(known) == len(times) else (),
        tick=stream.tick,
        notes=tuple(stream.notes),
    )


class _Frames:
    """Frames in one array [T, H, W, 3], so that there are never two copies of a video.

    Memory is allocated for the declared number of frames, at first at most ``_FIRST_ROOM`` bytes: it may be wrong.
    """

    def __init__(self, stream: FrameStream, expected: int | None, limits: MediaLimits):
        import numpy as np

        self._path, self._limits = stream.path, limits
        frame = stream.height * stream.width * 3
        self._most = limits.max_decoded_megabytes * 2**20 // frame
        self._check(expected or 1)
        room = min(expected or 1, 1 + _FIRST_ROOM // frame)
        with any_error_as_media_error(self._path):
            self._array, self.count = np.empty((room, stream.height, stream.width, 3), dtype=np.uint8), 0

    def append(self, frame: np.ndarray) -> None:
        """Copy a frame [H, W, 3]."""
        if self.count == len(self._array):
            self._check(self.count + 1)
            self._resize(min(self._most, self.count + self.count // 2 + 1))
        self._array[self.count] = frame
        self.count += 1

    def tensor(self) -> Any:
        """uint8 [T, H, W, 3]; nothing may be appended afterwards."""
        import torch

        self._resize(self.count)
        return torch.from_numpy(self._array)

    def _check(self, count: int) -> None:
        if count > self._most:
            raise too_large_at_once(self._path, self._limits)

    def _resize(self, count: int) -> None:
        # The system moves pages here instead of copying them; nothing else refers to the array.
        try:
            self._array.resize((count, *self._array.shape[1:]), refcheck=False)
        except MemoryError as error:
            raise MediaError(
                f"{self._path}: its frames need more memory than is available", "lower media.max_decoded_megabytes"
            ) from error
