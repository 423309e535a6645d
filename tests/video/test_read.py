"""Decoding: the very values OpenCV gives, and one clear line for every kind of bad file."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from nova_bench.core.errors import MediaError
from nova_bench.video import probe, read_clip, write_mp4


def test_real_clip_equals_opencv(real_clip: Path, opencv_decode) -> None:
    clip = read_clip(real_clip)
    frames, rate = opencv_decode(real_clip)
    assert np.array_equal(clip.frames.numpy(), frames)
    assert float(clip.fps) == pytest.approx(rate, rel=1e-12)
    assert clip.frame_count == clip.declared_frames == len(frames)
    assert not clip.variable_frame_rate
    info = probe(real_clip)
    assert (info.height, info.width, info.fps, info.frames) == (*frames.shape[1:3], clip.fps, len(frames))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("even.mp4", {}),
        ("not_multiple_of_8.mp4", {"width": 70, "height": 46}),
        ("odd.webm", {"codec": "libvpx-vp9", "width": 65, "height": 49}),
        ("444.mp4", {"pix_fmt": "yuv444p", "width": 65, "height": 49}),
        ("422.mp4", {"pix_fmt": "yuv422p"}),
        ("bt709.mp4", {"colorspace": 1}),
        ("full_range.mp4", {"color_range": 2}),
        ("film_rate.mp4", {"fps": Fraction(24000, 1001)}),
        ("lossless.mkv", {"codec": "ffv1", "pix_fmt": "bgr0", "width": 65, "height": 49}),
        ("one.mp4", {"count": 1}),
        ("variable.mp4", {"milliseconds": [0, 40, 80, 200, 240, 400]}),
        ("left.mp4", {"rotation": 90}),
        ("right.mp4", {"rotation": -90}),
        ("down.mp4", {"rotation": 180}),
        ("oblique.mp4", {"rotation": 45}),
    ],
)
def test_formats_equal_opencv(encode, opencv_decode, name: str, options: dict) -> None:
    path = encode(name, **options)
    clip = read_clip(path)
    frames, rate = opencv_decode(path)
    assert np.array_equal(clip.frames.numpy(), frames)
    assert float(clip.fps) == pytest.approx(rate, rel=1e-12)


def test_ten_bit_is_near_opencv(encode, opencv_decode) -> None:
    path = encode("ten.mp4", pix_fmt="yuv420p10le")
    difference = read_clip(path).frames.numpy().astype(int) - opencv_decode(path)[0]
    assert np.abs(difference).max() <= 8


def test_rotation_is_reported(encode) -> None:
    clip = read_clip(encode("left.mp4", rotation=90))
    assert clip.rotation == 90
    assert tuple(clip.frames.shape[1:3]) == (64, 48)
    assert read_clip(encode("none.mp4")).rotation == 0


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_rate_is_flagged(encode, suffix: str) -> None:
    assert read_clip(encode(f"v.{suffix}", milliseconds=[0, 40, 80, 200, 240, 400])).variable_frame_rate
    # 12 fps on Matroska's millisecond clock steps by 83 and 84: rounding, not a variable rate.
    assert not read_clip(encode(f"c.{suffix}")).variable_frame_rate


def test_max_frames_stops_early(encode) -> None:
    path = encode("long.mp4", count=20)
    clip = read_clip(path, max_frames=3)
    assert clip.frame_count == 3
    assert clip.declared_frames == 20
    assert np.array_equal(clip.frames, read_clip(path).frames[:3])
    with pytest.raises(ValueError, match="at least 1"):
        read_clip(path, max_frames=0)


def _cut(path: Path, fraction: float) -> Path:
    data = path.read_bytes()
    cut = path.with_stem("cut")
    cut.write_bytes(data[: int(len(data) * fraction)])
    return cut


def test_index_missing(encode) -> None:
    with pytest.raises(MediaError, match=r"cut\.mp4: cannot be opened as video.*export it again"):
        read_clip(_cut(encode("whole.mp4"), 0.4))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("whole.mp4", {"container_options": {"movflags": "faststart"}, "codec_options": {"g": "1"}}),
        ("whole.mkv", {"codec": "ffv1", "pix_fmt": "bgr0"}),
    ],
)
def test_cut_midway(encode, name: str, options: dict) -> None:
    path = encode(name, count=30, **options)
    whole, cut = read_clip(path), _cut(path, 0.6)
    with pytest.raises(MediaError, match=r"cut\.m.*: cut off: .* are there"):
        read_clip(cut)
    rest = read_clip(cut, allow_truncated=True)
    assert 5 < rest.frame_count < 25
    assert np.array_equal(rest.frames, whole.frames[: rest.frame_count])


def test_damaged_inside(tmp_path: Path, texture) -> None:
    """The decoder patches over the damage and delivers every frame: that must not pass for the video."""
    path = tmp_path / "damaged.mp4"
    write_mp4(path, texture(20, 96, 128))
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : third + 60] = bytes(60)
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"damaged\.mp4: "):
        read_clip(path)
    assert read_clip(path, allow_truncated=True).frame_count < 20


def test_size_change(tmp_path: Path, encode) -> None:
    path = tmp_path / "joined.ts"
    parts = [encode("a.ts", codec="mpeg2video"), encode("b.ts", codec="mpeg2video", width=96)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(MediaError, match="picture size changes from 64x48 to 96x48"):
        read_clip(path)


def test_audio_only(tmp_path: Path) -> None:
    path = tmp_path / "tone.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(MediaError, match=r"tone\.mkv: has no video stream"):
        read_clip(path)
    with pytest.raises(MediaError, match="has no video stream"):
        probe(path)


def test_zero_frames(tmp_path: Path) -> None:
    path = tmp_path / "none.avi"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.start_encoding()
    with pytest.raises(MediaError, match=r"none\.avi: (no frame|cannot be opened)"):
        read_clip(path)


@pytest.mark.parametrize("read", [read_clip, probe])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", "the file is empty"),
        ("text.mp4", b"not a video at all\n" * 50, "cannot be opened as video"),
        ("text.png", b"not an image at all\n" * 50, "cannot be read as an image"),
        ("absent.mp4", None, "No such file"),
    ],
)
def test_not_media(tmp_path: Path, read, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is a folder"):
        read_clip(tmp_path)


def test_probe_does_not_need_pictures(encode) -> None:
    """A header suffices: the samples may be cut off."""
    path = encode("whole.mp4", count=30, container_options={"movflags": "faststart"})
    info = probe(_cut(path, 0.7))
    assert (info.width, info.height, info.fps, info.frames) == (64, 48, 12, 30)
    assert (info.pix_fmt, info.codec) == ("yuv420p", "h264")


def test_import_is_light() -> None:
    """The command line imports this package: it must not drag in torch, PyAV, OpenCV or Pillow."""
    code = (
        "import sys, nova_bench.video; print([m for m in ('torch', 'av', 'cv2', 'PIL', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


class TestImages:
    def test_still(self, tmp_path: Path, texture) -> None:
        array = texture(1, 33, 47)[0]
        Image.fromarray(array).save(tmp_path / "still.png")
        clip = read_clip(tmp_path / "still.png")
        assert np.array_equal(clip.frames[0], array)
        assert clip.fps is None
        assert (clip.frame_count, clip.declared_frames, clip.variable_frame_rate) == (1, 1, False)
        info = probe(tmp_path / "still.png")
        assert (info.width, info.height, info.fps, info.frames, info.codec) == (47, 33, None, 1, "png")

    @pytest.mark.parametrize("name", ["photo.jpg", "photo.webp", "photo.bmp"])
    def test_equals_opencv(self, tmp_path: Path, texture, name: str) -> None:
        import cv2

        Image.fromarray(texture(1, 33, 47)[0]).save(tmp_path / name)
        difference = (
            read_clip(tmp_path / name).frames[0].numpy().astype(int) - cv2.imread(str(tmp_path / name))[..., ::-1]
        )
        # Both use libjpeg/libwebp, whose builds may differ by a rounding step.
        assert np.abs(difference).max() <= 2

    def test_alpha_and_grey(self, tmp_path: Path, texture) -> None:
        array = texture(1, 33, 47)[0]
        Image.fromarray(np.dstack([array, array[..., 0]])).save(tmp_path / "alpha.png")
        assert np.array_equal(read_clip(tmp_path / "alpha.png").frames[0], array)
        Image.fromarray(array[..., 0]).save(tmp_path / "grey.png")
        assert np.array_equal(read_clip(tmp_path / "grey.png").frames[0], np.repeat(array[..., :1], 3, axis=-1))

    def test_exif_orientation(self, tmp_path: Path, texture) -> None:
        array = texture(1, 33, 47)[0]
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(array).save(tmp_path / "turned.png", exif=exif)
        clip = read_clip(tmp_path / "turned.png")
        assert clip.rotation == 270
        assert np.array_equal(clip.frames[0], np.rot90(array, 3))

    @pytest.mark.parametrize("name", ["animated.gif", "animated.webp", "animated.png"])
    def test_animation(self, tmp_path: Path, texture, name: str) -> None:
        frames = [Image.fromarray(array) for array in texture(4, 33, 47)]
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=80, lossless=True)
        clip = read_clip(tmp_path / name)
        assert tuple(clip.frames.shape) == (4, 33, 47, 3)
        assert clip.fps == Fraction(25, 2)
        assert not clip.variable_frame_rate
        if not name.endswith("gif"):
            assert np.array_equal(clip.frames, texture(4, 33, 47))
        assert read_clip(tmp_path / name, max_frames=2).frame_count == 2
        uneven = tmp_path / f"uneven_{name}"
        frames[0].save(uneven, save_all=True, append_images=frames[1:], duration=[40, 40, 200, 40], lossless=True)
        assert read_clip(uneven).variable_frame_rate

    def test_damaged(self, tmp_path: Path, texture) -> None:
        Image.fromarray(texture(1, 133, 147)[0]).save(tmp_path / "whole.png")
        with pytest.raises(MediaError, match=r"cut\.png: cut off: it has no last chunk"):
            read_clip(_cut(tmp_path / "whole.png", 0.5))

    def test_sixteen_bits(self, tmp_path: Path) -> None:
        Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000).save(tmp_path / "deep.png")
        with pytest.raises(MediaError, match="more than 8 bits"):
            read_clip(tmp_path / "deep.png")


def test_trimmed_without_reencoding(tmp_path: Path, encode, opencv_decode) -> None:
    """An edit list hides the samples before the cut: they are declared and stored, and nothing is missing."""
    path, trimmed = encode("whole.mp4", count=30), tmp_path / "trimmed.mp4"
    with av.open(str(path)) as source, av.open(str(trimmed), "w") as output:
        stream = source.streams.video[0]
        copy = output.add_stream_from_template(stream)
        shift = round(5 / 12 / stream.time_base)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
                output.mux(packet)
    clip = read_clip(trimmed)
    with av.open(str(trimmed)) as container:
        assert container.streams.video[0].frames == 30
    assert clip.frame_count == clip.declared_frames == 25
    assert np.array_equal(clip.frames, read_clip(path).frames[5:])
    assert np.array_equal(clip.frames, opencv_decode(trimmed)[0])
