"""What a page shows, beside the page: copies of files, and H.264 copies of videos that browsers can't play."""

from __future__ import annotations

import shutil
from pathlib import Path

from nova_bench.core.atomic_files import write_with
from nova_bench.core.errors import MediaError
from nova_bench.render.html.media import FOLDER, VIEWABLE, guess_mime
from nova_bench.video import probe, read_clip, write_mp4
from nova_bench.video.limits import MediaLimits

MOST = 200
"""Copies that a report makes by default; further files are linked where they are."""
_BYTES = 2**25
"""A larger file is linked where it is."""
_PIXELS = 2**24
"""Pixels of all frames of a video that is copied, as 33 of 768x480: they are in memory at once. A longer one is linked
as it is."""
_PLAYED = {"h264": ("yuv420p", "yuvj420p"), "vp8": (), "vp9": ("yuv420p",), "av1": ("yuv420p",)}
"""Codecs that browsers play -> pixel formats that all of them do; none stated means any."""
_CONTAINERS = (".mp4", ".m4v", ".webm")


class PlayableCopies:
    """Copies of videos and images, made once in a report's folder, so that the folder can be moved or sent.

    ``folder`` is the report's. A copy is named by the digest of what it shows, so that a report written again finds it.
    """

    def __init__(self, folder: Path, limits: MediaLimits, most: int = MOST):
        self._folder, self._limits, self._left = folder / FOLDER, limits, most
        self._chosen: dict[str, Path] = {}

    def of(self, path: Path, sha256: str) -> Path:
        """A file that shows the same in every browser; ``path`` itself if no copy can be made."""
        if sha256 not in self._chosen:
            self._chosen[sha256] = self._copied(path, sha256)
        return self._chosen[sha256]

    def _copied(self, path: Path, sha256: str) -> Path:
        plain, encoded = (self._folder / f"{sha256[:16]}{suffix}" for suffix in (path.suffix.lower(), ".mp4"))
        for copy in (plain, encoded):
            if copy.is_file():
                return copy
        if self._left <= 0:
            return path
        try:
            made = self._as_it_is(path, plain) if self._shown_by_browsers(path) else self._encoded(path, encoded)
        except (MediaError, FileNotFoundError):
            return path
        self._left -= made is not None
        return made or path

    def _as_it_is(self, path: Path, copy: Path) -> Path | None:
        if not path.is_file() or path.stat().st_size > _BYTES:
            return None
        return write_with(copy, lambda unfinished: shutil.copyfile(path, unfinished))

    def _encoded(self, path: Path, copy: Path) -> Path | None:
        info = probe(path, self._limits)
        if info.fps is None or not 0 < info.width * info.height * (info.frames or 0) <= _PIXELS:
            return None
        clip = read_clip(path, allow_truncated=True, limits=self._limits)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_mp4(copy, clip.frames.numpy(), clip.fps or info.fps, crf=20, faststart=True)
        return copy

    def _shown_by_browsers(self, path: Path) -> bool:
        if guess_mime(path) in VIEWABLE:
            return True
        if path.suffix.lower() not in _CONTAINERS:
            return False
        info = probe(path, self._limits)
        formats = _PLAYED.get(info.codec)
        return formats is not None and (not formats or info.pix_fmt in formats)
