"""Decode videos with PyAV and images with Pillow, to the very RGB values that OpenCV and decord deliver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.errors import MediaError
from nova_bench.video.clip import Clip, MediaInfo
from nova_bench.video.image import IMAGE_SUFFIXES, probe_image, read_image

if TYPE_CHECKING:
    import numpy as np

_FIRST_ROOM = 2**30  # bytes for the frames that a container declares, before any is decoded
_CORRUPT_HINT = "export or copy it again"


def read_clip(path: str | PathLike[str], max_frames: int | None = None, *, allow_truncated: bool = False) -> Clip:
    """Decode a video or image file into a :class:`Clip`.

    Frames are stored-size RGB, turned upright by the display matrix. For 8-bit video they are bit-identical to
    ``cv2.VideoCapture`` (bicubic swscale, the colour matrix and range that the stream is tagged with, which PyAV heeds
    from version 17 on); deeper formats are reduced to 8 bits and may differ from it by a few levels.

    ``max_frames`` stops decoding early. Raises :class:`MediaError` if the file is missing, is no video or image, has
    no picture, or if frames are damaged or fewer than the container declares; ``allow_truncated`` accepts the latter
    two and returns the frames that are whole.
    """
    path = _existing_file(path)
    if max_frames is not None and max_frames < 1:
        raise ValueError(f"max_frames must be at least 1, not {max_frames}")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return read_image(path, max_frames)
    return _read_video(path, max_frames, allow_truncated)


def probe(path: str | PathLike[str]) -> MediaInfo:
    """Read a file's header: size, rate, frame count, pixel format and codec. Raises :class:`MediaError`."""
    path = _existing_file(path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return probe_image(path)
    with _open(path) as container:
        stream = _video_stream(container, path)
        codec = stream.codec_context
        return MediaInfo(
            path=path,
            width=codec.width,
            height=codec.height,
            fps=_average_rate(stream),
            frames=_declared_frames(stream),
            pix_fmt=codec.pix_fmt or "unknown",
            codec=codec.name,
        )


def _existing_file(path: str | PathLike[str]) -> Path:
    path = Path(path)
    if path.is_dir():
        raise MediaError(f"{path}: is a folder, not a video or image", "name one file")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror}", "check the path and its permissions") from error
    if size == 0:
        raise MediaError(f"{path}: the file is empty", "export or copy it again")
    return path


def _open(path: Path) -> Any:
    import av

    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        reason = error.strerror or type(error).__name__
        raise MediaError(
            f"{path}: cannot be opened as video: {reason}",
            "the file is no video, or its index is missing because the writer was interrupted; export it again",
        ) from error


def _video_stream(container: Any, path: Path) -> Any:
    """The first picture stream that is not an attached cover image."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None:
            return stream
    raise MediaError(f"{path}: has no video stream", "audio or subtitles alone cannot be scored; name a video file")


def _average_rate(stream: Any) -> Fraction | None:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return Fraction(rate) if rate else None


def _declared_frames(stream: Any) -> int | None:
    """Frames the container promises to show, or None.

    An MP4 that was cut without re-encoding keeps hidden samples before its edit list's start: they are in the sample
    count but never shown, so its index decides.
    """
    if stream.frames:
        shown = sum(not entry.is_discard for entry in stream.index_entries)
        return min(stream.frames, shown) if shown else stream.frames
    for key, value in stream.metadata.items():
        if key.upper().startswith("NUMBER_OF_FRAMES") and value.strip().isdigit():
            return int(value)
    return None


def _declared_seconds(stream: Any) -> Fraction | None:
    """Matroska's per-stream DURATION tag (``HH:MM:SS.fraction``): where no frame count is kept it reveals a cut."""
    value = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = value.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except ValueError:
        return None


class _Frames:
    """Frames in one array [T, H, W, 3], so that at no time there are two copies of a video.

    Room is made for as many as the container declares, at first for no more than ``_FIRST_ROOM`` bytes: it may lie.
    """

    def __init__(self, expected: int | None):
        self._expected, self._array, self.count = expected or 1, None, 0

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the frames; None before the first."""
        return None if self._array is None else self._array.shape[1:3]

    def append(self, frame: np.ndarray) -> None:
        """Copy a frame [H, W, 3]."""
        import numpy as np

        if self._array is None:
            self._array = np.empty((min(self._expected, 1 + _FIRST_ROOM // frame.size), *frame.shape), dtype=np.uint8)
        if self.count == len(self._array):
            self._resize(self.count + self.count // 2 + 1)
        self._array[self.count] = frame
        self.count += 1

    def tensor(self) -> Any:
        """uint8 [T, H, W, 3]; nothing may be appended any more."""
        import torch

        self._resize(self.count)
        return torch.from_numpy(self._array)

    def _resize(self, count: int) -> None:
        # The system moves pages here instead of copying them; nobody else has seen the array.
        self._array.resize((count, *self._array.shape[1:]), refcheck=False)


@dataclass
class _Decoded:
    """Frames so far, with what is needed to judge whether they are all."""

    frames: _Frames
    times: list[int]
    end: Fraction | None = None
    damaged: int = 0
    rotation: int = 0
    stopped_early: bool = False


def _read_video(path: Path, max_frames: int | None, allow_truncated: bool) -> Clip:
    with _open(path) as container:
        # Stream attributes are read while the container is open: PyAV does not guard them afterwards.
        stream = _video_stream(container, path)
        declared, seconds, fps = _declared_frames(stream), _declared_seconds(stream), _average_rate(stream)
        pix_fmt = stream.codec_context.pix_fmt
        expected = max_frames if declared is None else min(declared, max_frames or declared)
        decoded = _decode(container, stream, path, max_frames, expected)
    count = decoded.frames.count
    if count == 0:
        raise MediaError(f"{path}: no frame could be decoded", "the file is damaged or empty; export it again")
    if not allow_truncated and not decoded.stopped_early:
        if declared is not None and count < declared:
            raise MediaError(f"{path}: truncated, {count} of {declared} frames are whole", _CORRUPT_HINT)
        if decoded.damaged:
            raise MediaError(f"{path}: {decoded.damaged} damaged packets or frames", _CORRUPT_HINT)
        if seconds and fps and decoded.end is not None and decoded.end < seconds - 2 / fps:
            raise MediaError(
                f"{path}: truncated, {float(decoded.end):.2f} of {float(seconds):.2f} s are there", _CORRUPT_HINT
            )
    return Clip(
        frames=decoded.frames.tensor(),
        fps=fps,
        pix_fmt=pix_fmt or "unknown",
        frame_count=count,
        declared_frames=declared,
        rotation=decoded.rotation,
        variable_frame_rate=_is_variable(decoded.times),
        path=path,
    )


def _decode(container: Any, stream: Any, path: Path, max_frames: int | None, expected: int | None) -> _Decoded:
    import numpy as np
    from av.video.reformatter import VideoReformatter

    decoded = _Decoded(_Frames(expected), [])
    reformatter = VideoReformatter()  # one for all frames: `frame.to_ndarray(format=...)` sets a new one up each time
    for frame in _whole_frames(container, stream, decoded):
        rgb = reformatter.reformat(frame, format="rgb24", interpolation="BICUBIC").to_ndarray()
        if frame.rotation and frame.rotation % 90 == 0:
            decoded.rotation = frame.rotation % 360
            rgb = np.rot90(rgb, decoded.rotation // 90)
        if decoded.frames.size not in (None, rgb.shape[:2]):
            (h, w), (h0, w0) = rgb.shape[:2], decoded.frames.size
            raise MediaError(
                f"{path}: the picture size changes from {w0}x{h0} to {w}x{h} at frame {decoded.frames.count}",
                "split the file or export it at one size",
            )
        decoded.frames.append(rgb)
        if frame.pts is not None:
            decoded.times.append(frame.pts)
            decoded.end = (frame.pts + (frame.duration or 0)) * Fraction(frame.time_base or stream.time_base)
        if max_frames is not None and decoded.frames.count == max_frames:
            decoded.stopped_early = True
            break
    return decoded


def _whole_frames(container: Any, stream: Any, decoded: _Decoded) -> Iterator[Any]:
    """Frames that decode without error; packets and frames that don't are counted and passed over."""
    import av

    stream.thread_type = "AUTO"
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            # The demuxer's last packet is empty and flushes the decoder; one that failed midway sends none.
            frames = stream.decode(None) if packet is None else packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            decoded.damaged += 1
            continue
        decoded.damaged += sum(frame.is_corrupt for frame in frames)
        yield from (frame for frame in frames if not frame.is_corrupt)
        if packet is None:
            return


def _is_variable(times: list[int]) -> bool:
    """Whether frame intervals differ by more than rounding to the container's clock, and by more than 1 %."""
    steps = [b - a for a, b in pairwise(times)]
    if not steps:
        return False
    spread = max(steps) - min(steps)
    return spread > 1 and spread * 100 * len(steps) > sum(steps)
