"""A file's frames one by one, in memory that doesn't grow with their number, and the checks shared by all readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.core.errors import MediaError
from nova_bench.core.regular_files import NOT_REGULAR, NotRegular, regular_status, why_unread
from nova_bench.video.limits import MediaLimits, over_limit
from nova_bench.video.orientation import Orientation

if TYPE_CHECKING:
    import numpy as np

COPY_AGAIN = "export or copy it again"
CUT_NOTE = "cut off or damaged: scored on the frames that are whole"


@dataclass(eq=False)
class FrameStream:
    """An open video or picture: what is known before its frames, the frames, and what is known after them.

    ``frames`` yields (uint8 RGB [H, W, 3] upright, time in seconds from the first frame or None) once, in display
    order; an array is valid until the next one is requested. It raises :class:`MediaError` if the file turns out to be
    damaged or cut off, possibly after its last frame. The fields are those of
    :class:`nova_bench.video.clip.Clip`; ``variable_frame_rate`` and ``notes`` are complete after the last frame.
    An animated picture's ``fps`` is also known only then.
    """

    path: Path
    height: int
    width: int
    fps: Fraction | None
    tick: Fraction | None
    pix_fmt: str
    declared_frames: int | None
    orientation: Orientation
    frames: Iterator[tuple[np.ndarray, Fraction | None]]
    variable_frame_rate: bool = False
    notes: list[str] = field(default_factory=list)


def regular_file(path: str | PathLike[str], limits: MediaLimits) -> Path:
    """The path of a file that may be opened: regular, not empty and not too large. Raises :class:`MediaError`.

    A pipe or device is never opened: opening alone may block forever, or change something.
    """
    path = Path(path)
    try:
        status = regular_status(path)
    except NotRegular as error:
        if path.is_dir():
            raise MediaError(f"{path}: is a folder, not a video or image", "name a file") from error
        raise MediaError(f"{path}: is {NOT_REGULAR}", "copy its content to a file") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{path}: {why_unread(error)}", "check the path and its permissions") from error
    if status.st_size == 0:
        raise MediaError(f"{path}: the file is empty", COPY_AGAIN)
    if status.st_size > limits.max_megabytes * 2**20:
        size = f"{status.st_size / 2**20:,.0f} MiB"
        raise over_limit(f"{path}: {size}", "max_megabytes", limits.max_megabytes)
    return path


@contextmanager
def any_error_as_media_error(path: Path) -> Iterator[None]:
    """Turn whatever a decoder or image library raises into an error of that file."""
    try:
        yield
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(
            f"{path}: decoding it needs more memory than is available", "lower media.max_frame_pixels, or free memory"
        ) from error
    except OSError as error:
        raise MediaError(f"{path}: can't be read: {error.strerror or error}", COPY_AGAIN) from error
    except Exception as error:
        text = " ".join(str(error).split())
        raise MediaError(f"{path}: is damaged: {type(error).__name__}{text and f': {text}'}", COPY_AGAIN) from error


def check_size(path: Path, width: int, height: int, limits: MediaLimits, still: bool) -> None:
    """Refuse a picture or frame with more pixels than the limits admit, before memory is allocated for it."""
    setting = "max_pixels" if still else "max_frame_pixels"
    most = limits.max_pixels if still else limits.max_frame_pixels
    if width * height > most:
        what = "a picture" if still else "frames"
        megapixels = f"{width * height / 1e6:.4g} megapixels"
        raise over_limit(f"{path}: {what} of {width}x{height} ({megapixels})", setting, most)


def check_count(path: Path, count: int, limits: MediaLimits) -> None:
    """Refuse more frames than the limits admit."""
    if count > limits.max_frames:
        raise over_limit(f"{path}: {count:,} frames", "max_frames", limits.max_frames)


def check_seconds(path: Path, seconds: Fraction | float, limits: MediaLimits) -> None:
    """Refuse a longer video than the limits admit."""
    if seconds > limits.max_seconds:
        raise over_limit(f"{path}: {float(seconds):,.0f} s long", "max_seconds", limits.max_seconds)


def guarded(
    stream: FrameStream, frames: Iterator[tuple[np.ndarray, Fraction | None]], limits: MediaLimits
) -> Iterator[tuple[np.ndarray, Fraction | None]]:
    """The stream's frames, checked to be of one size and within the limits, raising only MediaError."""
    count = 0
    while True:
        with any_error_as_media_error(stream.path):
            item = next(frames, None)
        if item is None:
            return
        (height, width), time = item[0].shape[:2], item[1]
        if (height, width) != (stream.height, stream.width):
            raise MediaError(
                f"{stream.path}: the picture size changes from {stream.width}x{stream.height} to {width}x{height} at "
                f"frame {count}",
                "split the file or export it at one size",
            )
        count += 1
        check_count(stream.path, count, limits)
        if time is not None:
            check_seconds(stream.path, time, limits)
        yield item
