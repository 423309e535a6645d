"""One bad file costs little and ends as one failed sample, with the limit that it broke."""

from __future__ import annotations

import os
import socket
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nova_bench.core.errors import MediaError
from nova_bench.video import MediaLimits, opening, packets, probe, read_clip


@pytest.fixture
def small(encode) -> Path:
    return encode("small.mp4", count=10)


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ({"max_frame_pixels": 1000}, r"frames of 64x48 .* more than media\.max_frame_pixels"),
        ({"max_frames": 9}, r"10 frames, more than media\.max_frames allows .9."),
        ({"max_decoded_megabytes": 1}, None),
        ({"timeout_seconds": 1e-9}, r"longer, more than media\.timeout_seconds"),
        ({"stall_seconds": 1e-9}, "stall_seconds"),
    ],
)
def test_every_error_names_its_setting(small: Path, limits: dict, names: str | None) -> None:
    if names is None:
        assert read_clip(small, limits=MediaLimits(**limits)).frame_count == 10
        return
    with pytest.raises(MediaError, match=names):
        read_clip(small, limits=MediaLimits(**limits))


def test_memory_of_a_whole_clip(encode) -> None:
    path = encode("large.mp4", count=12, height=240, width=320)
    with pytest.raises(MediaError, match="max_decoded_megabytes"):
        read_clip(path, limits=MediaLimits(max_decoded_megabytes=2))
    assert read_clip(path, max_frames=5, limits=MediaLimits(max_decoded_megabytes=2)).frame_count == 5


def test_length(encode) -> None:
    path = encode("long.mkv", milliseconds=[0, 40, 80, 200, 240, 4_000_000])
    with pytest.raises(MediaError, match=r"more than media\.max_seconds allows"):
        read_clip(path)


def test_file_size(tmp_path: Path) -> None:
    path = tmp_path / "sparse.mp4"
    with path.open("wb") as file:
        file.truncate(2 * 2**20)
    with pytest.raises(MediaError, match="max_megabytes"):
        read_clip(path, limits=MediaLimits(max_megabytes=1))


@pytest.mark.parametrize("size", [(20000, 10000), (40000, 40000)])
def test_a_very_large_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "h.png"
    Image.new("1", size).save(path)
    for read in (read_clip, probe):
        with pytest.raises(MediaError, match=r"megapixels\), more than media.max_pixels allows .100,000,000"):
            read(path)


def test_pillows_own_limit_does_not_interfere(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "p.png"
    Image.new("L", (10000, 9500)).save(path)
    before = Image.MAX_IMAGE_PIXELS
    assert read_clip(path).frames.shape[1:3] == (9500, 10000)
    assert before == Image.MAX_IMAGE_PIXELS
    assert not recwarn.list


def test_a_header_that_claims_too_much(tmp_path: Path) -> None:
    """65,535 x 65,535 pixels are refused before anybody makes room for them."""
    gif = b"GIF89a" + struct.pack("<2H3B", 65535, 65535, 0x80, 0, 0) + bytes(6)
    frame = b"!\xf9\x04\x04\x04\0\0\0," + struct.pack("<4HB", 0, 0, 1, 1, 0) + b"\x02\x02D\x01\0"
    (tmp_path / "bomb.gif").write_bytes(gif + frame * 2000 + b";")
    started = time.monotonic()
    with pytest.raises(MediaError, match=r"media\.max_(frame_)?pixels"):
        read_clip(tmp_path / "bomb.gif")
    assert time.monotonic() - started < 20


def test_a_text_chunk_that_inflates(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    text = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(100_000_000), 9))
    pixels = chunk(b"IDAT", zlib.compress(bytes(4)))
    header = chunk(b"IHDR", struct.pack(">2I5B", 1, 1, 8, 2, 0, 0, 0))
    (tmp_path / "z.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + text + pixels + chunk(b"IEND", b""))
    with pytest.raises(MediaError):
        read_clip(tmp_path / "z.png")


def special_files(folder: Path) -> list[Path]:
    os.mkfifo(folder / "pipe.mp4")
    address = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(folder)  # the address of a socket may be no longer than some 100 bytes
    try:
        address.bind("socket.png")
    finally:
        os.chdir(here)
        address.close()
    (folder / "zero.mkv").symlink_to("/dev/zero")
    return [folder / "pipe.mp4", folder / "socket.png", folder / "zero.mkv", Path("/dev/zero")]


@pytest.mark.parametrize("read", [read_clip, probe])
def test_special_files_are_never_opened(tmp_path: Path, read) -> None:
    for path in special_files(tmp_path):
        with pytest.raises(MediaError, match="is not a regular file"):
            read(path)


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), AssertionError(), RecursionError("deep"), MemoryError(), OverflowError("o"), KeyError("k")],
)
def test_whatever_a_decoder_raises(small: Path, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(packets, "orientation_of", fail)
    with pytest.raises(MediaError, match=r"small\.mp4"):
        read_clip(small)


def test_an_error_between_frames(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fail_later(*arguments: object, **how: object) -> None:
        calls.append(arguments)
        if len(calls) > 4:
            raise struct.error("odd")

    monkeypatch.setattr(packets, "check_size", fail_later)
    with pytest.raises(MediaError, match="is damaged: error: odd"):
        read_clip(small)


def test_a_decoder_that_can_not_even_be_opened_comes_to_an_end(encode) -> None:
    """Flushing it fails for ever."""
    path = encode("r.avi", codec="rawvideo", pix_fmt="bgr24")
    data = path.read_bytes()
    at = data.find(b"strf") + 8
    broken = bytearray(data)
    broken[at + 14 : at + 16] = struct.pack("<H", 77)  # bits per pixel that no raw format has
    path.write_bytes(broken)
    started = time.monotonic()
    with pytest.raises(MediaError):
        read_clip(path)
    assert time.monotonic() - started < 10


def test_the_callers_time_does_not_count(small: Path) -> None:
    with opening.open_frames(small, MediaLimits(timeout_seconds=0.5, stall_seconds=0.5)) as opened:
        frames = []
        for frame, _ in opened.frames:
            frames.append(frame)
            if len(frames) == 2:
                time.sleep(0.7)
    assert len(frames) == 10
    assert np.array_equal(frames[9].shape, (48, 64, 3))
