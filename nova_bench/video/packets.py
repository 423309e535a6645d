"""Reads videos with PyAV, with exactly the RGB values of OpenCV and decord."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import MediaError
from nova_bench.video.clip import MediaInfo
from nova_bench.video.endings import ends_early
from nova_bench.video.formats import DEMUXERS, HEAD, PICTURES, expected_format, is_avif_sequence, mismatch
from nova_bench.video.limits import Deadline, MediaLimits, stalled
from nova_bench.video.orientation import orientation_of
from nova_bench.video.resampling import Resampler
from nova_bench.video.stream import (
    COPY_AGAIN,
    CUT_NOTE,
    FrameStream,
    any_error_as_media_error,
    check_count,
    check_seconds,
    check_size,
)

if TYPE_CHECKING:
    import numpy as np

# Containers whose header states a duration. For others, FFmpeg estimates it from the content or a bit rate.
_STATE_DURATION = frozenset({"Matroska", "FLV", "WMV"})
_OPENING_SECONDS = 20.0


@contextmanager
def open_video(
    path: Path, limits: MediaLimits, whole: bool, size: tuple[int, int] | None = None
) -> Iterator[FrameStream]:
    """Open a video; see :func:`nova_bench.video.opening.open_frames`."""
    deadline = Deadline(path, limits)
    deadline.resume()
    with _opened(path, limits) as container:
        decoding = _Decoding(path, container, limits, deadline, whole, size)
        yield decoding.stream()


def probe_video(path: Path, limits: MediaLimits) -> MediaInfo:
    """Read a video's header. Raises :class:`MediaError`."""
    with _opened(path, limits) as container:
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


@contextmanager
def _opened(path: Path, limits: MediaLimits) -> Iterator[Any]:
    import av

    try:
        container = av.open(
            # With an explicit protocol, a file name can't be taken for a URL.
            f"file:{path}",
            options={"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "file"},
            metadata_errors="replace",
            timeout=(min(_OPENING_SECONDS, limits.stall_seconds), limits.stall_seconds),
        )
    except av.ExitError as error:
        raise stalled(path, limits) from error
    except MemoryError:
        raise
    except (av.FFmpegError, OSError) as error:
        raise _not_opened(path, error) from error
    with container:
        yield container


def _not_opened(path: Path, error: Exception) -> MediaError:
    expected = expected_format(path)
    if expected in PICTURES:
        return MediaError(f"{path}: cannot be read as an image: its content is not {expected}", COPY_AGAIN)
    reason = getattr(error, "strerror", None) or type(error).__name__
    return MediaError(
        f"{path}: cannot be opened as video: {reason}",
        f"the file is not {expected or 'a video of a known format'}, or its index is missing because the writer was "
        "interrupted; export it again",
    )


class _Decoding:
    """One video being decoded, and what is needed to judge whether it is complete."""

    def __init__(
        self,
        path: Path,
        container: Any,
        limits: MediaLimits,
        deadline: Deadline,
        whole: bool,
        size: tuple[int, int] | None,
    ):
        self._path, self._container, self._limits, self._deadline = path, container, limits, deadline
        self._resampler = Resampler(size) if size else None
        self._format = _format_name(path, container)
        # Stream attributes are read while the container is open: PyAV doesn't guard them afterwards.
        self._video = video = _video_stream(container, path, self._format == "AVIF")
        check_size(path, video.codec_context.width, video.codec_context.height, limits, still=False)
        self._rate = _average_rate(video)
        self._declared = _declared_frames(video)
        check_count(path, self._declared or 0, limits)
        self._seconds = _declared_seconds(video)
        self._duration = _stated_duration(container) if self._format in _STATE_DURATION else None
        check_seconds(path, self._duration or 0, limits)
        self._cut = ends_early(path, self._format)
        if whole and self._cut and not limits.allow_truncated:
            raise MediaError(f"{path}: cut off: {self._cut}", COPY_AGAIN)
        self._damaged = self._count = 0
        self._end: Fraction | None = None
        self._last_packet: Fraction | None = None
        """When the last packet of any stream ends."""

    def stream(self) -> FrameStream:
        """The stream, with its first frame decoded: only a frame states its orientation."""
        video = self._video
        frames = self._shown()
        with any_error_as_media_error(self._path):
            first = next(frames)
        self._deadline.pause()
        height, width = first[0].shape[:2]
        self._opened = FrameStream(
            path=self._path,
            height=height,
            width=width,
            fps=self._rate,
            tick=Fraction(video.time_base) if video.time_base else None,
            pix_fmt=video.codec_context.pix_fmt or "unknown",
            declared_frames=self._declared,
            orientation=self._orientation,
            frames=chain([first], frames),
        )
        if note := mismatch(self._path, self._format):
            self._opened.notes.append(note)
        return self._opened

    def _shown(self) -> Iterator[tuple[np.ndarray, Fraction | None]]:
        """Upright pictures with their times from the first one; judges the file after the last one."""
        from av.video.reformatter import VideoReformatter

        reformatter = VideoReformatter()  # reused: `frame.to_ndarray(format=...)` sets up a new one each time
        first = previous = rotation = None
        steps: list[int] = []
        for frame in self._whole_frames():
            check_size(self._path, frame.width, frame.height, self._limits, still=False)
            # PyAV's side data refers back to the frame, which then lives until cycles are collected: read it only once.
            if self._count == 0 or frame.rotation != rotation:
                self._orientation, rotation = orientation_of(frame), frame.rotation
            if self._resampler:
                upright = self._resampler.resample(frame, self._orientation)
            else:
                rgb = reformatter.reformat(frame, format="rgb24", interpolation="BICUBIC").to_ndarray()
                upright = self._orientation.upright(rgb)
            self._count += 1
            # AVI has one rate and no times; its packets' times say when they are decoded, not when they are shown.
            pts = self._count - 1 if self._format == "AVI" and self._rate else frame.pts
            time = None
            if pts is not None:
                base = self._base(frame)
                first = pts if first is None else first
                time = (pts - first) * base
                self._end = (pts + (frame.duration or 0)) * base if self._format != "AVI" else None
                if previous is not None:
                    steps.append(pts - previous)
                previous = pts
            self._deadline.pause()
            yield upright, time
            self._deadline.resume()
        self._judge()
        self._opened.variable_frame_rate = _is_variable(steps)

    def _base(self, frame: Any) -> Fraction:
        """The unit of a frame's time, in seconds."""
        if self._format == "AVI" and self._rate:
            return 1 / self._rate
        return Fraction(frame.time_base or self._video.time_base)

    def _whole_frames(self) -> Iterator[Any]:
        """Frames that decode without error; faulty packets and frames are counted and skipped."""
        import av

        video = self._video
        video.thread_type = "AUTO"
        # The decoder itself refuses larger pictures, before it allocates memory for them.
        with suppress(av.FFmpegError, ValueError):
            video.codec_context.options = {"max_pixels": str(self._limits.max_frame_pixels)}
        packets = self._container.demux()
        while True:
            self._deadline.check()
            try:
                packet = next(packets, None)
                if packet is not None and packet.stream.index != video.index:
                    self._note_end(packet)
                    continue
                if packet is not None and packet.is_corrupt:
                    self._damaged += 1
                if packet is not None and packet.size:
                    self._note_end(packet)
                # A demuxer's last packets are empty and flush the decoders; one that failed midway sends none.
                frames = video.decode(None) if packet is None else packet.decode()
            except av.EOFError:
                frames = []
            except av.ExitError as error:
                raise stalled(self._path, self._limits) from error
            except MemoryError:
                raise
            except av.FFmpegError:
                self._damaged += 1
                if packet is None:
                    return  # a decoder that can't be flushed once never can
                continue
            self._damaged += sum(frame.is_corrupt for frame in frames)
            yield from (frame for frame in frames if not frame.is_corrupt)
            if packet is None:
                return

    def _note_end(self, packet: Any) -> None:
        if packet.pts is not None and packet.time_base:
            end = (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base)
            self._last_packet = end if self._last_packet is None else max(end, self._last_packet)

    def _judge(self) -> None:
        """Raise for an incomplete file; if the limits allow such files, add a note instead."""
        if self._count == 0:
            raise MediaError(
                f"{self._path}: no frame could be decoded", "the file is damaged or empty; export it again"
            )
        if (problem := self._problem()) is None:
            return
        if not self._limits.allow_truncated:
            raise MediaError(f"{self._path}: {problem}", COPY_AGAIN)
        self._opened.notes.append(CUT_NOTE)

    def _problem(self) -> str | None:
        if self._cut:
            return f"cut off: {self._cut}"
        if self._declared is not None and self._count < self._declared:
            return f"cut off: {self._count} of {self._declared} frames are whole"
        if self._damaged:
            return f"{self._damaged} damaged packets or frames"
        if not (fps := self._rate):
            return None
        if self._seconds and self._end is not None and self._end < self._seconds - 2 / fps:
            return f"cut off: {float(self._end):.2f} of {float(self._seconds):.2f} s are there"
        if self._duration and self._last_packet is not None:
            lacking = self._duration - self._last_packet
            # A duration counts from zero or from the first packet, and the last audio packets may be trimmed.
            if lacking > 2 / fps + Fraction(1, 5):
                return f"cut off: {float(self._last_packet):.2f} of {float(self._duration):.2f} s are there"
        return None


def _format_name(path: Path, container: Any) -> str:
    name = DEMUXERS[container.format.name]
    if name == "MP4":
        with path.open("rb") as stream:
            if is_avif_sequence(stream.read(HEAD)):
                return "AVIF"
    return name


def _video_stream(container: Any, path: Path, sequence: bool = False) -> Any:
    """The first picture stream that isn't an attached cover image."""
    from av.stream import Disposition

    found = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None
    ]
    if found:
        # An AVIF sequence also has its first picture as a still, in a stream of its own.
        return max(found, key=lambda stream: stream.frames) if sequence else found[0]
    raise MediaError(f"{path}: has no video stream", "audio or subtitles alone cannot be scored; name a video file")


def _average_rate(stream: Any) -> Fraction | None:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return Fraction(rate) if rate else None


def _declared_frames(stream: Any) -> int | None:
    """Number of frames that the container declares as shown, or None.

    An MP4 that was cut without re-encoding keeps hidden samples before its edit list's start. They are in the sample
    count but never shown, so its index decides.
    """
    if stream.frames:
        shown = sum(not entry.is_discard for entry in stream.index_entries)
        return min(stream.frames, shown) if shown else stream.frames
    for key, value in stream.metadata.items():
        if key.upper().startswith("NUMBER_OF_FRAMES") and value.strip().isdecimal() and len(value) < 20:
            return int(value)
    return None


def _declared_seconds(stream: Any) -> Fraction | None:
    """Matroska's per-stream DURATION tag (``HH:MM:SS.fraction``), which reveals a cut if there is no frame count."""
    value = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = value.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except (ValueError, ZeroDivisionError):
        return None


def _stated_duration(container: Any) -> Fraction | None:
    """The container's duration in seconds, or None."""
    return Fraction(container.duration, 1_000_000) if container.duration and container.duration > 0 else None


def _is_variable(steps: list[int]) -> bool:
    """Whether frame intervals differ by more than rounding to the container's clock, and by more than 1 %."""
    if not steps:
        return False
    spread = max(steps) - min(steps)
    return spread > 1 and spread * 100 * len(steps) > sum(steps)
