"""Opens a file or a folder of pictures for reading frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from nova_bench.video.file import open_file
from nova_bench.video.frame_folder import open_frame_folder
from nova_bench.video.limits import MediaLimits
from nova_bench.video.stream import FrameStream, guarded


@contextmanager
def open_frames(
    path: str | PathLike[str],
    limits: MediaLimits | None = None,
    whole: bool = True,
    size: tuple[int, int] | None = None,
) -> Iterator[FrameStream]:
    """Open a video or picture for reading frame by frame.

    ``whole`` says that all frames are wanted: a file that ends early is then refused before any frame is decoded.
    Otherwise only a caller who reads to the end finds out. ``size`` (height, width) resamples frames while they are
    decoded, as decord does if it is told a size; the aspect ratio may change. Raises :class:`MediaError` and no other
    exception, also for whatever a decoder raises while frames are read.
    """
    limits = limits or MediaLimits()
    if limits.folder_fps is not None and Path(path).is_dir():
        with open_frame_folder(Path(path), limits, size) as stream:
            stream.frames = guarded(stream, stream.frames, limits)
            yield stream
    else:
        with open_file(path, limits, whole, size) as stream:
            yield stream
