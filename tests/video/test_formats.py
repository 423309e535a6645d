"""What a file is, is decided by its content; every format's own ways of holding pictures, times and turns."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from nova_bench.core.errors import MediaError
from nova_bench.video import open_frames, probe, read_clip
from nova_bench.video.formats import MEDIA_SUFFIXES


@pytest.fixture
def pictures(texture) -> list[Image.Image]:
    return [Image.fromarray(frame) for frame in texture(4, 24, 32)]


def save(path: Path, pictures: list[Image.Image], **options) -> Path:
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **options)
    return path


def test_a_second_picture_in_a_jpeg_is_left_out_with_a_note(tmp_path: Path, pictures) -> None:
    small = pictures[1].resize((8, 6))
    clip = read_clip(save(tmp_path / "phone.mpo", [pictures[0], small], format="MPO"))
    assert clip.frames.shape == (1, 24, 32, 3)
    assert clip.notes == ("1 further picture in the file left out",)
    assert probe(tmp_path / "phone.mpo").frames == 1


def test_pages_of_a_tiff_are_left_out_with_a_note(tmp_path: Path, pictures) -> None:
    path = save(tmp_path / "pages.tif", [pictures[0], pictures[1].resize((8, 6))])
    clip = read_clip(path)
    assert np.array_equal(clip.frames[0], np.asarray(pictures[0]))
    assert clip.notes == ("1 further page of the TIFF left out",)


@pytest.mark.parametrize(("suffix", "options"), [("gif", {}), ("webp", {"lossless": True}), ("apng", {}), ("png", {})])
def test_durations_of_animations_are_exact(tmp_path: Path, pictures, suffix: str, options: dict) -> None:
    path = save(tmp_path / f"a.{suffix}", pictures, duration=[40, 50, 60, 70], **options)
    clip = read_clip(path)
    assert clip.times == (0, Fraction(4, 100), Fraction(9, 100), Fraction(15, 100))
    assert clip.fps == 4 / Fraction(22, 100)
    assert clip.variable_frame_rate


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def apng(frames: list[np.ndarray], delay: tuple[int, int], default: np.ndarray | None) -> bytes:
    """An APNG written by hand: with ``default``, a picture that is no frame comes first."""
    height, width = frames[0].shape[:2]
    compressed = [zlib.compress(b"".join(b"\0" + row.tobytes() for row in frame)) for frame in frames]
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    data += chunk(b"acTL", struct.pack(">2I", len(frames), 0))
    number = 0
    if default is not None:
        data += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in default)))
    for index, content in enumerate(compressed):
        data += chunk(b"fcTL", struct.pack(">5I2H2B", number, width, height, 0, 0, *delay, 0, 0))
        number += 1
        if index == 0 and default is None:
            data += chunk(b"IDAT", content)
        else:
            data += chunk(b"fdAT", struct.pack(">I", number) + content)
            number += 1
    return data + chunk(b"IEND", b"")


@pytest.mark.parametrize("with_default", [False, True])
def test_the_default_picture_of_an_apng_is_no_frame(tmp_path: Path, texture, with_default: bool) -> None:
    frames = list(texture(3, 24, 32))
    path = tmp_path / "a.png"
    path.write_bytes(apng(frames, (1001, 30000), 255 - frames[0] if with_default else None))
    clip = read_clip(path)
    assert np.array_equal(clip.frames, frames)
    assert clip.fps == Fraction(30000, 1001)
    assert clip.times[2] == Fraction(2002, 30000)
    assert probe(path).frames == 3


def test_an_avif_sequence_is_a_video(tmp_path: Path, pictures) -> None:
    path = save(tmp_path / "a.avif", pictures, duration=40, quality=100, subsampling="4:4:4")
    clip = read_clip(path)
    assert clip.frame_count == 4
    assert clip.times == (0, Fraction(1, 25), Fraction(2, 25), Fraction(3, 25))
    assert np.abs(clip.frames[3].numpy().astype(int) - np.asarray(pictures[3])).mean() < 3
    pictures[0].save(tmp_path / "still.avif")
    assert read_clip(tmp_path / "still.avif").fps is None


@pytest.mark.parametrize(
    ("written", "named", "note"),
    [
        ("a.jpg", "b.PNG", "the name says PNG, the content is JPEG"),
        ("a.gif", "b.mp4", "the name says MP4, the content is GIF"),
        ("a.PNG", "b.png", None),
    ],
)
def test_a_picture_is_what_its_content_is(tmp_path: Path, pictures, written: str, named: str, note) -> None:
    pictures[0].save(tmp_path / written)
    (tmp_path / written).rename(tmp_path / named)
    clip = read_clip(tmp_path / named)
    assert clip.frame_count == 1
    assert clip.notes == ((note,) if note else ())


def test_a_video_is_what_its_content_is(encode) -> None:
    path = encode("a.mkv")
    for name, note in (("b.MP4", "MP4"), ("b.png", "PNG"), ("b.WebM", None)):
        other = path.with_name(name)
        other.write_bytes(path.read_bytes())
        assert read_clip(other).notes == ((f"the name says {note}, the content is Matroska",) if note else ())


@pytest.mark.parametrize("tag", range(1, 9))
def test_every_exif_orientation(tmp_path: Path, pictures, tag: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = tag
    path = tmp_path / "turned.png"
    pictures[0].save(path, exif=exif)
    clip = read_clip(path)
    stored = np.asarray(pictures[0])
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert np.array_equal(clip.frames[0], upright)
    turned = np.rot90(stored, clip.rotation // 90)
    assert np.array_equal(turned[:, ::-1] if clip.mirrored else turned, upright)


def display_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Overwrite the matrix in the first track header."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 4 + 40
    one = 1 << 16
    struct.pack_into(">9i", data, at, a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda p: p),
        ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
        ((1, 0, 0, -1), lambda p: p[::-1]),
        ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
        ((0, 1, 1, 0), lambda p: p.transpose(1, 0, 2)),
        ((0, 1, -1, 0), lambda p: np.rot90(p, 3)),
        ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
        ((0, -1, -1, 0), lambda p: p.transpose(1, 0, 2)[::-1, ::-1]),
    ],
)
def test_every_display_matrix(encode, matrix, shown: Callable[[np.ndarray], np.ndarray]) -> None:
    path = encode("m.mp4")
    stored = read_clip(path).frames.numpy()
    display_matrix(path, *matrix)
    clip = read_clip(path)
    assert np.array_equal(clip.frames[1], shown(stored[1]))
    turned = np.rot90(stored[1], clip.rotation // 90)
    assert np.array_equal(turned[:, ::-1] if clip.mirrored else turned, clip.frames[1])


def test_times_count_from_the_first_shown_frame(encode) -> None:
    clip = read_clip(encode("v.mkv", milliseconds=[500, 540, 580, 700, 740, 900]))
    assert clip.times == tuple(Fraction(ms, 1000) for ms in (0, 40, 80, 200, 240, 400))
    assert clip.tick == Fraction(1, 1000)


def test_avi_counts_its_frames(encode) -> None:
    """It has one rate and no times; frames that are decoded out of order don't change that."""
    clip = read_clip(encode("b.avi", count=12, codec_options={"bf": "2"}))
    assert clip.times == tuple(Fraction(index, 12) for index in range(12))
    assert not clip.variable_frame_rate


@pytest.mark.parametrize("name", ["v.png", "v.eps", "v.mp4"])
def test_postscript_starts_no_program(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started = tmp_path / "started"
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / name).write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n%%EOF\n")
    with pytest.raises(MediaError):
        read_clip(tmp_path / name)
    assert not started.exists()


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile other.mkv\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.mkv\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n",
        '<?xml version="1.0"?><MPD><BaseURL>other.mkv</BaseURL></MPD>',
        '<svg xmlns="http://www.w3.org/2000/svg"><image href="other.mkv"/></svg>',
    ],
)
@pytest.mark.parametrize("name", ["v.mp4", "v.m3u8", "v.mkv", "v.svg"])
def test_a_text_opens_no_other_file(encode, text: str, name: str) -> None:
    other = encode("other.mkv")
    path = other.with_name(name)
    path.write_text(text)
    with pytest.raises(MediaError, match="cannot be opened as video"):
        read_clip(path)


def test_a_name_is_no_address(encode, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode("a.mkv")
    monkeypatch.chdir(path.parent)
    path.rename("concat:a.mkv|a.mkv")
    assert read_clip("concat:a.mkv|a.mkv").frame_count == 6


def test_metadata_of_another_encoding(encode) -> None:
    path = encode("t.mp4")
    data = path.read_bytes().replace(b"Lavf", b"L\xe4vf")
    path.write_bytes(data)
    assert b"\xe4" in data
    assert read_clip(path).frame_count == 6


def test_streams_give_what_clips_hold(encode, pictures, tmp_path: Path) -> None:
    for path in (encode("s.mp4", rotation=90), save(tmp_path / "s.gif", pictures, duration=40)):
        clip = read_clip(path)
        with open_frames(path) as stream:
            frames = [(frame.copy(), time) for frame, time in stream.frames]
            assert (stream.height, stream.width) == tuple(clip.frames.shape[1:3])
            assert (stream.fps, stream.tick, stream.orientation.rotation) == (clip.fps, clip.tick, clip.rotation)
        assert np.array_equal([frame for frame, _ in frames], clip.frames)
        assert tuple(time for _, time in frames) == clip.times


def test_suffixes_are_lower_case() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in MEDIA_SUFFIXES)
    assert {".avif", ".apng", ".mpo", ".mpg", ".ts", ".flv"} <= MEDIA_SUFFIXES


def test_sizes_that_differ_in_a_sequence(tmp_path: Path, encode) -> None:
    path = tmp_path / "two.mkv"
    parts = [
        encode("a.mkv", codec="ffv1", pix_fmt="bgr0"),
        encode("b.mkv", codec="mjpeg", pix_fmt="yuvj420p", width=96),
    ]
    with av.open(str(path), "w", format="matroska") as output:
        stream = output.add_stream("mjpeg", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        with av.open(str(parts[1])) as source:
            for index, packet in enumerate(source.demux(video=0)):
                if packet.size:
                    packet.stream, packet.pts, packet.dts = stream, index, index
                    output.mux(packet)
    clip = read_clip(path)
    assert clip.frames.shape[2] == 96, "what the frames are decides, not what the header says"
