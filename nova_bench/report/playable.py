"""Copies of videos that browsers can't play: lossless ones, and those of codecs that no browser knows."""

from __future__ import annotations

from pathlib import Path

from nova_bench.core.errors import MediaError
from nova_bench.video import probe, read_clip, write_mp4
from nova_bench.video.limits import MediaLimits

MEDIA = "media"
"""Folder of the copies inside a report's folder."""
MOST = 200
"""Copies that a report makes by default; further videos are linked as they are."""
_PIXELS = 2**24
"""Pixels of all frames of a video that is copied, as 33 of 768x480: they are in memory at once. A longer one is linked
as it is."""
_PLAYED = {"h264": ("yuv420p", "yuvj420p"), "vp8": (), "vp9": ("yuv420p",), "av1": ("yuv420p",)}
"""Codecs that browsers play -> pixel formats that all of them do; none stated means any."""
_CONTAINERS = (".mp4", ".m4v", ".webm")


class PlayableCopies:
    """H.264 copies of videos, made once in a report's folder.

    ``folder`` is the report's. A copy is named by the digest of what it shows, so that a report written again finds it.
    """

    def __init__(self, folder: Path, limits: MediaLimits, most: int = MOST):
        self._folder, self._limits, self._left = folder / MEDIA, limits, most
        self._chosen: dict[str, Path] = {}

    def of(self, path: Path, sha256: str) -> Path:
        """A file with the same video that browsers play; ``path`` itself if they play it, or if no copy can be made."""
        if sha256 not in self._chosen:
            self._chosen[sha256] = self._copied(path, sha256)
        return self._chosen[sha256]

    def _copied(self, path: Path, sha256: str) -> Path:
        try:
            info = probe(path, self._limits)
            if info.fps is None or self._plays(path, info.codec, info.pix_fmt):
                return path
            copy = self._folder / f"{sha256[:16]}.mp4"
            if copy.is_file():
                return copy
            if self._left <= 0 or not 0 < info.width * info.height * (info.frames or 0) <= _PIXELS:
                return path
            clip = read_clip(path, allow_truncated=True, limits=self._limits)
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_mp4(copy, clip.frames.numpy(), clip.fps or info.fps, crf=20, faststart=True)
        except MediaError:
            return path
        self._left -= 1
        return copy

    @staticmethod
    def _plays(path: Path, codec: str, pix_fmt: str) -> bool:
        formats = _PLAYED.get(codec)
        return path.suffix.lower() in _CONTAINERS and formats is not None and (not formats or pix_fmt in formats)
