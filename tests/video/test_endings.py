"""Files that end early: found in every container that leaves a trace, and no sound file is taken for one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from nova_bench.core.errors import MediaError
from nova_bench.video import MediaLimits, read_clip

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
VIDEOS = {
    "plain.mp4": {},
    "front.mp4": {"container_options": {"movflags": "faststart"}},
    "parts.mp4": {"container_options": FRAGMENTS, "codec_options": {"g": "5"}},
    "a.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "a.mkv": {},
    "a.webm": {"codec": "libvpx-vp9"},
    "live.mkv": {"container_options": {"live": "1"}},
    "a.avi": {"codec": "mpeg4"},
    "b.avi": {"codec_options": {"bf": "2"}},
    "a.flv": {"codec": "flv"},
    "a.ts": {"codec": "mpeg2video", "fps": 25},
    "a.wmv": {"codec": "wmv2"},
    "a.ogv": {"codec": "libvpx"},
    "a.y4m": {"codec": "wrapped_avframe"},
    "one.mp4": {"count": 1},
    "slow.flv": {"codec": "flv", "fps": 2},
    "variable.mkv": {"milliseconds": [0, 40, 80, 500, 540, 1500]},
}
PICTURES = {
    "a.png": {},
    "a.jpg": {},
    "progressive.jpg": {"progressive": True},
    "a.webp": {},
    "a.gif": {},
    "a.bmp": {},
    "a.tif": {},
    "a.avif": {},
}


def cuts(path: Path, whole: bytes, count: int = 8) -> list[Path]:
    """Copies that lack from one byte up to nine tenths of the file."""
    made = []
    for index, length in enumerate(np.unique(np.geomspace(1, 0.9 * len(whole), count).astype(int))):
        cut = path.with_name(f"cut{index}-{path.name}")
        cut.write_bytes(whole[:-length])
        made.append(cut)
    return made


@pytest.mark.parametrize("name", VIDEOS)
def test_videos(encode, name: str) -> None:
    path = encode(name, **{"count": 20 if "milliseconds" not in VIDEOS[name] else 6, **VIDEOS[name]})
    whole = read_clip(path)
    assert whole.notes == ()
    for cut in cuts(path, path.read_bytes()):
        try:
            clip = read_clip(cut)
        except MediaError:
            continue
        # The last tag of an FLV only says that there are no more: without it the frames are all there.
        assert np.array_equal(clip.frames, whole.frames), f"{cut.name} lost frames without a word"


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_always_fail(tmp_path: Path, texture, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(texture(1, 40, 56)[0]).save(path, **PICTURES[name])
    whole = read_clip(path)
    limits = MediaLimits(allow_truncated=True)
    for cut in cuts(path, path.read_bytes(), 20):
        try:
            clip = read_clip(cut, limits=limits)
        except MediaError:
            continue
        assert np.array_equal(clip.frames, whole.frames), f"{cut.name} lost a part of the picture without a word"


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animations(tmp_path: Path, texture, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    first, *rest = [Image.fromarray(frame) for frame in texture(8, 40, 56)]
    first.save(path, save_all=True, append_images=rest, duration=40)
    assert read_clip(path).frame_count == 8
    cut = path.with_name(f"cut.{suffix}")
    cut.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    with pytest.raises(MediaError, match="cut off"):
        read_clip(cut)


@pytest.mark.parametrize("name", ["front.mp4", "parts.mp4", "a.mkv", "a.avi", "a.flv"])
def test_allowed_cuts_are_noted(encode, name: str) -> None:
    path = encode(name, count=30, **{**VIDEOS[name], "codec_options": {"g": "1"}} if name != "a.flv" else VIDEOS[name])
    whole = read_clip(path)
    cut = path.with_name(f"cut-{name}")
    cut.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    clip = read_clip(cut, limits=MediaLimits(allow_truncated=True))
    assert 0 < clip.frame_count < 30
    assert clip.notes == ("cut off or damaged: scored on the frames that are whole",)
    assert np.array_equal(clip.frames[:5], whole.frames[:5])


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.flv", "a.webm", "a.avi", "a.ts"])
@pytest.mark.parametrize("seconds", [0.3, 3.0])
def test_sound_of_another_length_is_no_cut(tmp_path: Path, texture, name: str, seconds: float) -> None:
    path = tmp_path / name
    codecs = {".webm": ("libvpx-vp9", "libopus"), ".avi": ("mpeg4", "mp3")}.get(path.suffix, ("libx264", "aac"))
    with av.open(str(path), "w") as output:
        video = output.add_stream(codecs[0], rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = output.add_stream(codecs[1], rate=48000)
        audio.layout = "stereo"
        for frame in texture(25, 48, 64):
            output.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        size, noise = audio.codec_context.frame_size or 1024, np.random.default_rng(0)
        for start in range(0, int(seconds * 48000), size):
            sound = av.AudioFrame.from_ndarray(noise.normal(0, 0.1, (2, size)).astype(np.float32), "fltp", "stereo")
            sound.sample_rate, sound.pts, sound.time_base = 48000, start, Fraction(1, 48000)
            output.mux(audio.encode(sound))
        output.mux(audio.encode(None))
        output.mux(video.encode(None))
    assert read_clip(path).frame_count == 25


def test_padding_after_the_last_box_is_no_cut(encode) -> None:
    path = encode("padded.mp4")
    path.write_bytes(path.read_bytes() + bytes(100))
    assert read_clip(path).frame_count == 6


def test_a_fragment_without_its_pictures(encode) -> None:
    path = encode("parts.mp4", count=20, **VIDEOS["parts.mp4"])
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"mdat") - 4])
    with pytest.raises(MediaError, match="its last fragment has no pictures"):
        read_clip(path)


def test_first_frames_of_a_cut_file(encode) -> None:
    """Who wants three frames need not know that the hundredth is missing."""
    path = encode("front.mp4", count=30, **{**VIDEOS["front.mp4"], "codec_options": {"g": "1"}})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    assert read_clip(path, max_frames=3).frame_count == 3
