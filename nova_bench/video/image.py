"""Reads still and animated pictures with Pillow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import MediaError
from nova_bench.video.clip import MediaInfo
from nova_bench.video.endings import ends_early
from nova_bench.video.formats import PILLOW, mismatch
from nova_bench.video.limits import Deadline, MediaLimits
from nova_bench.video.orientation import EXIF, Orientation
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

# One 8-bit value per channel, or a palette of these: modes that convert to RGB without a choice of range.
_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
_ORIENTATION_TAG = 0x0112
_ANIMATED = frozenset({"GIF", "WEBP", "PNG"})
_LARGEST_DENOMINATOR = 65_535  # for a delay in APNG, which Pillow gives in milliseconds as a float
_OPENING = threading.Lock()


@contextmanager
def open_picture(
    path: Path, name: str, limits: MediaLimits, whole: bool, size: tuple[int, int] | None = None
) -> Iterator[FrameStream]:
    """Open a picture of the format ``name``: a still picture as a video of one frame without a rate; GIF, WebP and APNG
    as animations. Alpha is dropped, as ``cv2.imread`` does.

    For a JPEG with further pictures (MPO) the primary one is read, for a TIFF the first page. If ``limits.folder_fps``
    says that pictures are frames, a TIFF's pages are the frames of a video. To another ``size`` frames are resampled by
    Pillow, bilinearly, as VBench's code does it. See :func:`nova_bench.video.opening.open_frames`.
    """
    deadline = Deadline(path, limits)
    deadline.resume()
    with any_error_as_media_error(path):
        image = _open(path, name, limits)
    with image:
        with any_error_as_media_error(path):
            picture = _Picture(path, name, image, limits, deadline, whole, size)
            stream = picture.stream()
        yield stream


def probe_picture(path: Path, name: str, limits: MediaLimits) -> MediaInfo:
    """Read a picture's header. An animation's rate is that of its first frame. Raises :class:`MediaError`."""
    with any_error_as_media_error(path), _open(path, name, limits) as image:
        indices = _frames_of(image, limits)
        duration = _seconds(image, limits) if len(indices) > 1 else Fraction(0)
        return MediaInfo(
            path=path,
            width=image.width,
            height=image.height,
            fps=1 / duration if duration else None,
            frames=len(indices),
            pix_fmt=image.mode,
            codec=(image.format or "unknown").lower(),
        )


def _open(path: Path, name: str, limits: MediaLimits) -> Any:
    from PIL import Image

    with _OPENING:
        # Pillow has a limit for the whole process; ours is checked as soon as the header is read.
        most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(path, formats=PILLOW[name])
        except MemoryError:
            raise
        except Exception as error:
            cut = ends_early(path, name)
            reason = f"cut off: {cut}" if cut else f"cannot be read as an image ({name})"
            raise MediaError(f"{path}: {reason}", COPY_AGAIN) from error
        finally:
            Image.MAX_IMAGE_PIXELS = most
    try:
        check_size(path, image.width, image.height, limits, still=len(_frames_of(image, limits)) == 1)
    except BaseException:
        image.close()
        raise
    return image


class _Picture:
    """One picture file being read with Pillow."""

    def __init__(
        self,
        path: Path,
        name: str,
        image: Any,
        limits: MediaLimits,
        deadline: Deadline,
        whole: bool,
        size: tuple[int, int] | None,
    ):
        self._path, self._image, self._limits, self._deadline = path, image, limits, deadline
        self._size = size
        if image.mode not in _EIGHT_BIT_MODES:
            raise MediaError(f"{path}: pixel mode {image.mode} has more than 8 bits", "convert it to an 8-bit image")
        self._indices = _frames_of(image, limits)
        self._still = len(self._indices) == 1
        self._notes = [note] if (note := mismatch(path, name)) else []
        if left_out := 0 if image.format in _ANIMATED else getattr(image, "n_frames", 1) - len(self._indices):
            what = ("page", "of the TIFF") if image.format == "TIFF" else ("picture", "in the file")
            self._notes.append(f"{left_out} further {what[0]}{'s' * (left_out > 1)} {what[1]} left out")
        check_count(path, len(self._indices), limits)
        self._cut = ends_early(path, name)
        if self._cut and (self._still or (whole and not limits.allow_truncated)):
            raise MediaError(f"{path}: cut off: {self._cut}", COPY_AGAIN)

    def stream(self) -> FrameStream:
        """The stream, with its first frame decoded."""
        self._total = Fraction(0)
        self._orientation = Orientation()
        frames = self._shown()
        mode = self._image.mode
        first = next(frames)
        self._opened = FrameStream(
            path=self._path,
            height=first[0].shape[0],
            width=first[0].shape[1],
            fps=None,
            tick=None if self._still else Fraction(1, 1000),
            pix_fmt=mode,
            declared_frames=len(self._indices),
            orientation=self._orientation,
            frames=chain([first], frames),
            notes=self._notes,
        )
        return self._opened

    def _shown(self) -> Iterator[tuple[np.ndarray, Fraction | None]]:
        durations: list[Fraction] = []
        for index in self._indices:
            self._deadline.check()
            try:
                frame = self._frame(index)
            except MemoryError:
                raise
            except Exception as error:
                self._judge(index, error)
                break
            duration = Fraction(0) if self._still else _seconds(self._image, self._limits)
            time = None if self._still else self._total
            durations.append(duration)
            self._total += duration
            check_seconds(self._path, self._total, self._limits)
            if self._total:
                self._rate(len(durations))
            self._deadline.pause()
            yield frame, time
            self._deadline.resume()
        else:
            if self._cut:
                self._judge(len(self._indices), None)
        self._opened.variable_frame_rate = len(set(durations)) > 1

    def _rate(self, count: int) -> None:
        # The first frame is read before the stream exists.
        if opened := getattr(self, "_opened", None):
            opened.fps = count / self._total

    def _frame(self, index: int) -> np.ndarray:
        import numpy as np
        from PIL import Image, ImageOps

        self._image.seek(index)
        tag = self._image.getexif().get(_ORIENTATION_TAG, 1)
        self._orientation = EXIF.get(tag, Orientation())
        upright = ImageOps.exif_transpose(self._image).convert("RGB")
        if self._size:
            upright = upright.resize(self._size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(upright)

    def _judge(self, index: int, error: Exception | None) -> None:
        """Raise for a cut or damaged picture; an animation gets a note instead, if the limits allow it."""
        if index and not self._still and self._limits.allow_truncated:
            self._opened.notes.append(CUT_NOTE)
        elif self._cut:
            raise MediaError(f"{self._path}: cut off: {self._cut}", COPY_AGAIN) from error
        else:
            raise MediaError(f"{self._path}: frame {index} is damaged: {error}", COPY_AGAIN) from error


def _frames_of(image: Any, limits: MediaLimits) -> range:
    """Indices of the frames that are shown: a still picture has one, whatever else the file contains."""
    several = image.format in _ANIMATED or _is_of_pages(image, limits)
    count = getattr(image, "n_frames", 1) if several else 1
    # APNG: the picture for programs without animation support is a frame only if the file says so.
    first = 1 if count > 1 and image.info.get("default_image") else 0
    return range(first, count)


def _is_of_pages(image: Any, limits: MediaLimits) -> bool:
    return image.format == "TIFF" and limits.folder_fps is not None


def _seconds(image: Any, limits: MediaLimits) -> Fraction:
    """How long the current frame is shown, exactly as stored; pages have the rate in the limits."""
    if _is_of_pages(image, limits):
        return 1 / Fraction(str(limits.folder_fps))
    seconds = Fraction((image.info.get("duration") or 0) / 1000)
    return seconds.limit_denominator(_LARGEST_DENOMINATOR)
