"""The formats that are read. The content decides which one a file has; its name only suggests one.

Everything else is refused before a decoder sees it: playlists and other texts that make FFmpeg open further files, and
PostScript, for which Pillow starts a program.
"""

from __future__ import annotations

from pathlib import Path

PICTURES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".mpo"),
    "GIF": (".gif",),
    "WebP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
}
"""Names of picture formats, including animated ones, and their suffixes."""
VIDEOS = {
    "MP4": (".mp4", ".m4v", ".mov", ".3gp", ".3g2"),
    "Matroska": (".mkv", ".webm"),
    "AVI": (".avi",),
    "MPEG-TS": (".ts", ".mts", ".m2ts"),
    "MPEG": (".mpg", ".mpeg", ".vob"),
    "FLV": (".flv",),
    "WMV": (".wmv", ".asf"),
    "Ogg": (".ogv", ".ogg"),
    "Y4M": (".y4m",),
}
"""Names of video formats and their suffixes."""
IMAGE_SUFFIXES = frozenset(suffix for suffixes in PICTURES.values() for suffix in suffixes)
VIDEO_SUFFIXES = frozenset(suffix for suffixes in VIDEOS.values() for suffix in suffixes)
MEDIA_SUFFIXES = IMAGE_SUFFIXES | VIDEO_SUFFIXES
"""Suffixes of files that are read, in lower case."""

DEMUXERS = {
    "mov,mp4,m4a,3gp,3g2,mj2": "MP4",
    "matroska,webm": "Matroska",
    "avi": "AVI",
    "mpegts": "MPEG-TS",
    "mpeg": "MPEG",
    "mpegvideo": "MPEG",
    "flv": "FLV",
    "asf": "WMV",
    "ogg": "Ogg",
    "yuv4mpegpipe": "Y4M",
}
"""FFmpeg's name of a demuxer -> name of the format."""
PILLOW = {
    "PNG": ("PNG",),
    "JPEG": ("JPEG", "MPO"),
    "GIF": ("GIF",),
    "WebP": ("WEBP",),
    "BMP": ("BMP", "DIB"),
    "TIFF": ("TIFF",),
    "AVIF": ("AVIF",),
}
"""Name of a picture format -> Pillow's names for it."""
HEAD = 64
"""Number of bytes at the start of a file that identify the picture format."""


def picture_format(head: bytes) -> str | None:
    """Name of the picture format according to a file's first bytes; None for a video or anything else.

    An AVIF sequence (brand ``avis``) is a video in an MP4-like container.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head.startswith(b"BM"):
        return "BMP"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if head[4:8] == b"ftyp" and _is_avif(head) and not is_avif_sequence(head):
        return "AVIF"
    return None


def is_avif_sequence(head: bytes) -> bool:
    """Whether a file's first bytes are those of an animated AVIF."""
    return head[4:8] == b"ftyp" and head[8:12] == b"avis"


def _is_avif(head: bytes) -> bool:
    brands = head[8 : min(int.from_bytes(head[:4], "big"), HEAD)]
    return any(brands[at : at + 4] in (b"avif", b"avis") for at in range(0, len(brands), 4))


def expected_format(path: Path) -> str | None:
    """Name of the format that a file's suffix suggests; None if that format isn't read."""
    suffix = path.suffix.lower()
    formats = {**PICTURES, **VIDEOS}
    return next((name for name, suffixes in formats.items() if suffix in suffixes), None)


def mismatch(path: Path, found: str) -> str | None:
    """The note for a file whose content doesn't match its suffix."""
    expected = expected_format(path)
    return None if expected in (found, None) else f"the name says {expected}, the content is {found}"
