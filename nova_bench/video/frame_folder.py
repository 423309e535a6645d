"""A folder of numbered pictures as one video."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.core.errors import MediaError
from nova_bench.core.identity import digest
from nova_bench.core.regular_files import is_regular
from nova_bench.video.file import open_file, probe
from nova_bench.video.formats import IMAGE_SUFFIXES, PICTURES
from nova_bench.video.limits import MediaLimits
from nova_bench.video.stream import FrameStream, any_error_as_media_error, check_count

if TYPE_CHECKING:
    import numpy as np

FOLDER_FPS = "folder_fps"
"""Key in the details of an artifact that is a folder of frames: its frames per second."""
_NUMBER = re.compile(r"[0-9]+")
_LEAST_FRAMES = 3
"""Fewer pictures with consecutive numbers aren't taken for a video."""


def frame_files(folder: Path) -> list[Path]:
    """The pictures directly inside a folder, in the order of their names' numbers. Raises OSError.

    A TIFF with several pages isn't included: it is a video of its own.
    """
    names = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    return in_order(p for p in names if not p.name.startswith(".") and not p.is_dir() and not has_pages(p))


def has_pages(path: Path) -> bool:
    """Whether a file is a TIFF with several pages."""
    if path.suffix.lower() not in PICTURES["TIFF"] or not is_regular(path):
        return False
    try:
        return (probe(path, MediaLimits(folder_fps=1)).frames or 1) > 1
    except MediaError:
        return False  # reading it will report why


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Sort names with numbers by number: 2 before 10."""
    return sorted(paths, key=lambda path: (_natural(path.name), path.name))


@contextmanager
def open_frame_folder(folder: Path, limits: MediaLimits, size: tuple[int, int] | None = None) -> Iterator[FrameStream]:
    """Open the pictures of a folder as the frames of a video, at ``limits.folder_fps``. Raises MediaError.

    A picture that can't be read ends it, as a damaged frame ends any video. Of an animation, the first frame counts.
    """
    with any_error_as_media_error(folder):
        files = frame_files(folder)
    if not files:
        raise MediaError(f"{folder}: no pictures", "with model.layout=frames, a video is a folder of pictures")
    check_count(folder, len(files), limits)
    fps = Fraction(str(limits.folder_fps))
    notes = numbering_notes(files)

    def frames() -> Iterator[tuple[np.ndarray, Fraction | None]]:
        for index, file in enumerate(files):
            with open_file(file, limits, whole=False, size=size) as picture:
                for note in picture.notes:
                    if (of_frames := f"frames: {note}") not in notes:
                        notes.append(of_frames)
                yield next(picture.frames)[0], index / fps

    with open_file(files[0], limits, whole=False, size=size) as first:
        height, width, pix_fmt, orientation = first.height, first.width, first.pix_fmt, first.orientation
    yield FrameStream(
        path=folder,
        height=height,
        width=width,
        fps=fps,
        tick=1 / fps,
        pix_fmt=pix_fmt,
        declared_frames=len(files),
        orientation=orientation,
        frames=frames(),
        notes=notes,
    )


def folder_digest(folder: Path, fps: Fraction, file_digest: Callable[[Path], str]) -> str:
    """Digest of the frames' contents in order, and of their rate. Raises OSError, also if there are no frames."""
    files = frame_files(folder) if folder.is_dir() else [folder]
    if not files:
        raise OSError(f"{folder}: no pictures")
    return digest("frames", [str(fps), [file_digest(path) for path in files]])


def with_frame_folders(file_digest: Callable[[Path], str], limits: MediaLimits) -> Callable[[Path], str]:
    """``file_digest``, except that a folder or a TIFF with several pages is digested as a video with a rate if the
    ``limits`` treat it as one."""
    if limits.folder_fps is None:
        return file_digest
    fps = Fraction(str(limits.folder_fps))
    return lambda path: folder_digest(path, fps, file_digest) if path.is_dir() or has_pages(path) else file_digest(path)


def numbering_notes(files: Sequence[Path]) -> list[str]:
    """Irregularities in the frames' numbers: gaps, repeated numbers, names without a number."""
    numbers = [_last_number(path) for path in files]
    known = [number for number in numbers if number is not None]
    notes = []
    if len(known) < len(files):
        notes.append("frames without a number in their names")
    if missing := sum(max(0, later - earlier - 1) for earlier, later in pairwise(sorted(known))):
        notes.append(f"frames' numbers have gaps: {missing} missing")
    if again := len(known) - len(set(known)):
        notes.append(f"frames' numbers repeat: {again} twice or more")
    return notes


def like_frames(files: Sequence[Path]) -> list[Path]:
    """The files of one folder, in order, if they are pictures whose names look like a video's frames: consecutive
    numbers after the same text; else an empty list."""
    if len(files) < _LEAST_FRAMES or any(path.suffix.lower() not in IMAGE_SUFFIXES for path in files):
        return []
    files = in_order(files)
    matches = [match for path in files if (match := re.fullmatch(r"(.*?)([0-9]+)", path.stem, re.DOTALL))]
    if len(matches) < len(files):
        return []
    if len({(match[1], path.suffix) for match, path in zip(matches, files, strict=True)}) > 1:
        return []
    numbers = [int(match[2]) for match in matches]
    return files if numbers == list(range(numbers[0], numbers[0] + len(numbers))) else []


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if index % 2 else (1, 0, part) for index, part in enumerate(parts) if part]


def _last_number(path: Path) -> int | None:
    found = _NUMBER.findall(path.stem)
    return int(found[-1]) if found else None
