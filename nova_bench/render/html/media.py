"""Pictures and clips of a report: embedded within a budget, linked beyond it; posters and contact strips."""

from __future__ import annotations

import base64
import hashlib
import io
import mimetypes
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

DEFAULT_BUDGET = 24 * 2**20
FOLDER = "media"
"""Folder beside a page of what the page shows and doesn't embed."""
POSTER_SHARE = 0.5
PLAYABLE = ("video/mp4", "video/webm", "video/ogg")
VIEWABLE = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")


@dataclass
class MediaShelf:
    """Decides whether each file is embedded in the page, and keeps what was embedded.

    ``budget`` is in bytes of the page, base64 included; posters may use half of it. What is used twice is embedded
    once. ``blobs`` holds the data URIs in order; an item refers to one by its index. ``files`` are posters to be
    written beside the page.
    """

    page: Path
    budget: int = DEFAULT_BUDGET
    blobs: list[str] = field(default_factory=list)
    spent: int = 0
    embedded: int = 0
    linked: int = 0
    files: dict[Path, bytes] = field(default_factory=dict)
    _known: dict[Path, dict[str, object]] = field(default_factory=dict)
    _posters: dict[bytes, int | str] = field(default_factory=dict)

    def poster(self, jpeg: bytes) -> int | str:
        """Index of the embedded poster, or its address if the posters' share of the budget is used up."""
        if jpeg not in self._posters:
            uri = _data_uri(jpeg, "image/jpeg")
            if self.spent + len(uri) <= self.budget * POSTER_SHARE:
                self._posters[jpeg] = self._keep(uri)
            else:
                path = self.page.parent / FOLDER / f"{hashlib.sha256(jpeg).hexdigest()[:16]}.jpg"
                self.files[path] = jpeg
                self._posters[jpeg] = relative_url(path, self.page)
        return self._posters[jpeg]

    def link(self, path: Path) -> dict[str, object]:
        """How to open ``path`` beside a poster: its ``kind`` and ``href``; it is not embedded."""
        path = Path(path)
        return {"kind": _kind(guess_mime(path)), "name": path.name, "href": relative_url(path, self.page)}

    def media(self, path: Path, mime: str | None = None) -> dict[str, object]:
        """How to show ``path``: its ``kind`` (video, image, file or missing), ``href`` and, if embedded, ``blob``."""
        path = Path(path)
        if path not in self._known:
            self._known[path] = self._place(path, mime or guess_mime(path))
        return self._known[path]

    def _place(self, path: Path, mime: str) -> dict[str, object]:
        entry: dict[str, object] = {"kind": "file" if path.is_dir() else _kind(mime), "name": path.name}
        try:
            size = path.stat().st_size
        except OSError:
            return {**entry, "kind": "missing"}
        entry["href"] = relative_url(path, self.page)
        if entry["kind"] != "file" and self.spent + size * 4 // 3 + 40 <= self.budget:
            entry["blob"] = self._keep(_data_uri(path.read_bytes(), mime))
            self.embedded += 1
        else:
            self.linked += 1
        return entry

    def _keep(self, uri: str) -> int:
        self.spent += len(uri)
        self.blobs.append(uri)
        return len(self.blobs) - 1


def guess_mime(path: Path) -> str:
    """The MIME type by file name extension; ``application/octet-stream`` if it is unknown."""
    return mimetypes.guess_type(path.name, strict=False)[0] or "application/octet-stream"


def relative_url(path: Path, page: Path) -> str:
    """URL of ``path`` relative to the folder of ``page``, percent-encoded; it never looks as if it had a scheme."""
    relative = Path(os.path.relpath(path.resolve(), page.resolve().parent)).as_posix()
    return "./" + quote(relative)


def poster_jpeg(frame: np.ndarray, max_side: int = 320, quality: int = 80) -> bytes:
    """A frame, uint8 RGB [H, W, 3], as a JPEG with a longer side of at most ``max_side`` pixels."""
    from PIL import Image

    _check(frame)
    image = Image.fromarray(frame)
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    return _jpeg(image, quality)


def _check(frame: np.ndarray) -> None:
    if frame.ndim != 3 or frame.shape[-1] != 3 or str(frame.dtype) != "uint8" or 0 in frame.shape:
        raise ValueError(f"expected uint8 RGB of shape [H, W, 3], got {frame.dtype} {list(frame.shape)}")


def _jpeg(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def _kind(mime: str) -> str:
    return "video" if mime in PLAYABLE else "image" if mime in VIEWABLE else "file"


def _data_uri(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"
