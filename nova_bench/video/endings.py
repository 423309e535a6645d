"""Detects files that end early: boxes, chunks, pages and packets that extend past the end of the file.

Only lengths are read, never pictures. Some cuts leave no trace: an MPEG transport stream between two packets, an MPEG
program stream, a fragmented MP4 between two fragments, a Matroska live recording between two clusters. Such a file
looks like a shorter one, unless its header states a duration (see :mod:`nova_bench.video.stream`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

_BOXES = frozenset(
    b"ftyp styp moov moof mdat mfra free skip sidx ssix udta meta uuid wide prft emsg pnot".split(),
)
_EBML_SEGMENT, _EBML_CLUSTER = 0x18538067, 0x1F43B675
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_OGG_PAGE = 65_307
"""Most bytes of one page (RFC 3533, sec. 6)."""


def ends_early(path: Path, format_name: str) -> str | None:
    """Why the file must have been longer, as the end of a sentence; None if there is no sign of it.

    ``format_name`` is one of :mod:`nova_bench.video.formats`. Raises OSError.
    """
    check = _CHECKS.get(format_name)
    if check is None:
        return None
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        return check(stream, size)


def _beyond(what: str, end: int, size: int) -> str:
    return f"its {what} needs {end:,} bytes, {size:,} are there"


def _number(stream: BinaryIO, position: int, length: int, order: Literal["little", "big"]) -> int | None:
    stream.seek(position)
    data = stream.read(length)
    return int.from_bytes(data, order) if len(data) == length else None


def _mp4(stream: BinaryIO, size: int) -> str | None:
    """Boxes (ISO/IEC 14496-12, sec. 4.2). Bytes after the last box that aren't a box are padding."""
    position, kind = 0, b""
    while position < size:
        stream.seek(position)
        header = stream.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if len(header) < 8:
            return None if not any(header) else "its last box has no header"
        if kind not in _BOXES or length == 0:
            return None
        if position + length > size:
            return _beyond(f"last box ({kind.decode()})", position + length, size)
        if length < 8:
            return None
        position += length
    return "its last fragment has no pictures" if kind in (b"moof", b"sidx") else None


def _matroska(stream: BinaryIO, size: int) -> str | None:
    """The segment and its clusters (RFC 8794, RFC 9559); lengths may be unknown in live recordings."""
    position = 0
    while position < size:
        element = _ebml(stream, position)
        if element is None:
            return "its last element has no header"
        identity, start, length = element
        if identity == _EBML_SEGMENT:
            if length is not None:
                return _beyond("segment", start + length, size) if start + length > size else None
            position = start
            continue
        if length is None:
            if identity != _EBML_CLUSTER:
                return None
            position = start  # its blocks are read as the next elements
            continue
        if start + length > size:
            return _beyond("last element", start + length, size)
        position = start + length
    return None


def _ebml(stream: BinaryIO, position: int) -> tuple[int, int, int | None] | None:
    """(id, where the content starts, its length) of an element; None if its header is cut."""
    stream.seek(position)
    header = stream.read(12)
    if not header:
        return None
    id_length = 9 - header[0].bit_length()
    if id_length > 4 or len(header) <= id_length:
        return None
    size_length = 9 - header[id_length].bit_length()
    if size_length > 8 or len(header) < id_length + size_length:
        return None
    value = int.from_bytes(header[id_length : id_length + size_length], "big") & ((1 << 7 * size_length) - 1)
    unknown = value == (1 << 7 * size_length) - 1
    return int.from_bytes(header[:id_length], "big"), position + id_length + size_length, None if unknown else value


def _riff(stream: BinaryIO, size: int) -> str | None:
    """RIFF chunks at the top level: one for WebP and short AVIs, several for long ones (OpenDML)."""
    position = 0
    while position + 8 <= size:
        stream.seek(position)
        if stream.read(4) != b"RIFF":
            return None
        length = _number(stream, position + 4, 4, "little") or 0
        if length == 0:
            return "its writer was interrupted: the header has no length"
        if position + 8 + length > size:
            return _beyond("header's length", position + 8 + length, size)
        position += 8 + length + length % 2
    return None


def _transport(stream: BinaryIO, size: int) -> str | None:
    """Packets of 188 bytes, of 192 with a time code, of 204 with a checksum (ISO/IEC 13818-1)."""
    stream.seek(0)
    head = stream.read(5 * 204)
    for length, offset in ((188, 0), (192, 4), (204, 0)):
        marks = head[offset::length]
        if len(marks) >= 2 and set(marks) == {0x47}:
            return None if size % length == 0 else "its last packet is incomplete"
    return None


def _flv(stream: BinaryIO, size: int) -> str | None:
    """Tags are followed by their own length (Adobe FLV 10.1, annex E.3)."""
    if size < 13 + 15:
        return "it has no tag"
    length = _number(stream, size - 4, 4, "big") or 0
    if length < 11 or length + 4 > size:
        return "its last tag is incomplete"
    stated = _number(stream, size - 4 - length + 1, 3, "big")
    return None if stated == length - 11 else "its last tag is incomplete"


def _ogg(stream: BinaryIO, size: int) -> str | None:
    """The last page must be complete and mark the end of its stream (RFC 3533, sec. 6)."""
    start = max(0, size - 2 * _OGG_PAGE)
    stream.seek(start)
    tail = stream.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return "its last page is incomplete"
    segments = tail[at + 26]
    lengths = tail[at + 27 : at + 27 + segments]
    if len(lengths) < segments or len(tail) < at + 27 + segments + sum(lengths):
        return "its last page is incomplete"
    return None if tail[at + 5] & 0x04 else "no page says that the stream ends"


def _asf(stream: BinaryIO, size: int) -> str | None:
    """The file size in the file properties object (ASF 1.2, sec. 3.2)."""
    stream.seek(0)
    head = stream.read(65_536)
    at = head.find(_ASF_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 48:
        return None
    stated = int.from_bytes(head[at + 40 : at + 48], "little")
    return _beyond("header's length", stated, size) if stated > size else None


def _y4m(stream: BinaryIO, size: int) -> str | None:
    """Frames of equal length behind their headers (mjpegtools, yuv4mpeg(5))."""
    stream.seek(0)
    header = stream.readline(1_024)
    words = {word[:1]: word[1:].decode("ascii", "replace") for word in header.split()[1:]}
    colours = words.get(b"C", "420")
    layout, _, depth = colours.partition("p")
    shifts = {"420": (1, 1), "422": (1, 0), "444": (0, 0), "411": (2, 0), "440": (0, 1), "mono": None}
    name = next((name for name in shifts if layout.startswith(name)), None)
    try:
        width, height = int(words[b"W"]), int(words[b"H"])
    except (KeyError, ValueError):
        return None
    if name is None or layout == "444alpha" or width < 1 or height < 1:
        return None
    chroma = 0
    if subsampling := shifts[name]:
        across, down = subsampling
        chroma = 2 * -(-width >> across) * -(-height >> down)
    length = (width * height + chroma) * (2 if depth.isdigit() or (name == "mono" and layout != name) else 1)
    position = len(header)
    while position < size:
        stream.seek(position)
        frame = stream.readline(1_024)
        if not frame.startswith(b"FRAME"[: len(frame)]):
            return None  # the decoder finds damage inside
        position += len(frame) + length
    return _beyond("last frame", position, size) if position > size else None


def _png(stream: BinaryIO, size: int) -> str | None:
    """Chunks up to IEND (PNG 3, sec. 5.3)."""
    position = 8
    while position + 12 <= size:
        stream.seek(position)
        header = stream.read(8)
        if header[4:] == b"IEND":
            return None
        position += 12 + int.from_bytes(header[:4], "big")
    return "it has no last chunk (IEND)"


def _gif(stream: BinaryIO, size: int) -> str | None:
    """Blocks up to the trailer (GIF89a, sec. 27)."""
    missing = "it has no trailer"
    stream.seek(0)
    head = stream.read(13)
    if len(head) < 13:
        return missing
    stream.seek(13 + _colours(head[10]))
    while kind := stream.read(1):
        if kind == b";":
            return None
        if kind == b"!":
            stream.seek(1, os.SEEK_CUR)
        elif kind == b",":
            descriptor = stream.read(9)
            if len(descriptor) < 9:
                return missing
            stream.seek(_colours(descriptor[8]) + 1, os.SEEK_CUR)
        else:
            return None  # the decoder finds damage inside
        while (length := stream.read(1)) not in (b"", b"\0"):
            stream.seek(length[0], os.SEEK_CUR)
    return missing


def _colours(flags: int) -> int:
    """Bytes of the colour table, according to a descriptor's flags."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _jpeg(stream: BinaryIO, size: int) -> str | None:
    """Segments up to the scan, then the end marker, which no scan contains (ITU-T T.81, annex B)."""
    missing = "it has no end marker"
    position = 2
    while True:
        stream.seek(position)
        header = stream.read(4)
        if len(header) < 4:
            return missing
        if header[0] != 0xFF:
            return None  # the decoder finds damage inside
        if header[1] == 0xFF:
            position += 1  # fill bytes
        elif header[1] == 0xD9:
            return None
        elif header[1] == 0xDA:
            break
        elif header[1] in (0x01, *range(0xD0, 0xD9)):
            position += 2
        else:
            position += 2 + int.from_bytes(header[2:], "big")
    last = b""
    while block := stream.read(2**20):
        if b"\xff\xd9" in last + block:
            return None
        last = block[-1:]
    return missing


_CHECKS: dict[str, Callable[[BinaryIO, int], str | None]] = {
    "MP4": _mp4,
    "AVIF": _mp4,
    "Matroska": _matroska,
    "AVI": _riff,
    "WebP": _riff,
    "MPEG-TS": _transport,
    "FLV": _flv,
    "Ogg": _ogg,
    "WMV": _asf,
    "Y4M": _y4m,
    "PNG": _png,
    "GIF": _gif,
    "JPEG": _jpeg,
}
