"""Opens one video or picture file with the reader that its content requires."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from nova_bench.video.clip import MediaInfo
from nova_bench.video.formats import HEAD, picture_format
from nova_bench.video.image import open_picture, probe_picture
from nova_bench.video.limits import MediaLimits
from nova_bench.video.packets import open_video, probe_video
from nova_bench.video.stream import FrameStream, any_error_as_media_error, guarded, regular_file


@contextmanager
def open_file(
    path: str | PathLike[str], limits: MediaLimits, whole: bool = True, size: tuple[int, int] | None = None
) -> Iterator[FrameStream]:
    """Open a file for reading frame by frame; see :func:`nova_bench.video.opening.open_frames`."""
    path = regular_file(path, limits)
    with any_error_as_media_error(path):
        picture = _picture_format(path)
        opened = open_picture(path, picture, limits, whole, size) if picture else open_video(path, limits, whole, size)
    with opened as stream:
        stream.frames = guarded(stream, stream.frames, limits)
        yield stream


def probe(path: str | PathLike[str], limits: MediaLimits | None = None) -> MediaInfo:
    """Read a file's header: size, rate, frame count, pixel format and codec. Raises :class:`MediaError`."""
    limits = limits or MediaLimits()
    path = regular_file(path, limits)
    with any_error_as_media_error(path):
        picture = _picture_format(path)
        return probe_picture(path, picture, limits) if picture else probe_video(path, limits)


def _picture_format(path: Path) -> str | None:
    with path.open("rb") as file:
        return picture_format(file.read(HEAD))
