"""Frames resampled while they are decoded have exactly decord's values; pictures Pillow's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nova_bench.core.errors import MediaError
from nova_bench.video import MediaLimits, read_clip, write_lossless
from nova_bench.video.decoder import Decoder

CLIPS = Path(__file__).parents[1] / "data" / "vbench_clips"
SIZE = (384, 384)
# SHA-256 of all frames from decord 0.6.0: VideoReader(path, width=384, height=384, num_threads=1)
DECORD = {
    "r1_carphone_176x144_8fps_20f": "211b6eb78dcfe95024e2d9090f66d33a67dc2f4022a2ffebc7629d4d81cf8865",
    "r2_bikes_320x136_24fps_24f": "a6e9aa20aae121e5b7df4389a99675ca31b1bbceb2c1589f1861675f928c89b2",
    "r3_bunny_230x130_12fps_17f": "03525edcd905c5f73a360de38c479de7d17399eef04393b6a88a8759a1b2a41c",
    "r4_static_176x144_30000-1001fps_10f": "4f10d1cc8ae5ca497cd1ce8ad520d5cc944d5081e9e4bdc57500a37597fa9b8a",
    "r5_short_160x136_10fps_2f": "1d1bc5d05f9f8e69c6eae7e260d13cea222d81a6fb191a7cf8b166ec25dafb55",
    "r6_bunny_640x360_20fps_9f": "8fbcac0fe6b0d0d18d26abe1d25ea1caff5d8b17876565b6558296ffebf33fae",
    "r7_portrait_136x240_16fps_13f": "006aaff6906cf2facb3f25be247eff99f92f608dd621ac126566f6ce5907cf3b",
    "r8_small_120x112_8fps_4f": "13d5060a7ba967b2cccb953ccb2341c5211f5f1c3f8fea059efd707ccd0dcf98",
}


@pytest.mark.parametrize("name", DECORD)
def test_frames_are_decords(name: str) -> None:
    frames = read_clip(CLIPS / f"{name}.mp4", size=SIZE).frames
    assert hashlib.sha256(frames.numpy().tobytes()).hexdigest() == DECORD[name]


def test_the_decoding_process_resamples_too() -> None:
    path = CLIPS / "r7_portrait_136x240_16fps_13f.mp4"
    decoder = Decoder()
    for size in (SIZE, None, (10, 30)):
        decoder.put(path, size=size)
    for size in (SIZE, None, (10, 30)):
        clip = decoder.get()
        assert torch.equal(clip.frames, read_clip(path, size=size).frames)
        assert clip.frames.shape[1:3] == (size or (240, 136))
    decoder.close()


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_frames_are_turned_upright_first(turn: int, encode: Callable[..., Path]) -> None:
    options = {"codec": "libx264rgb", "pix_fmt": "rgb24", "codec_options": {"crf": "0"}, "count": 2}
    turned = encode("turned.mp4", rotation=turn, **options)
    upright = turned.with_name("upright.mkv")
    write_lossless(upright, read_clip(turned).frames)
    expected = read_clip(upright, size=(40, 24)).frames.numpy().astype(int)
    assert np.abs(read_clip(turned, size=(40, 24)).frames.numpy() - expected).max() <= 1  # RGB or BGR in swscale


def test_pictures_are_resampled_by_pillow(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    for index in range(3):
        Image.fromarray(noise).save(tmp_path / f"{index}.png")
    expected = np.asarray(Image.fromarray(noise).resize((20, 10), Image.Resampling.BILINEAR))
    assert np.array_equal(read_clip(tmp_path / "0.png", size=(10, 20)).frames[0], expected)
    folder = read_clip(tmp_path, size=(10, 20), limits=MediaLimits(folder_fps=8)).frames
    assert folder.shape == (3, 10, 20, 3)
    assert np.array_equal(folder[2], expected)


def test_limits_hold_for_the_stored_size(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="max_frame_pixels"):
        read_clip(CLIPS / "r6_bunny_640x360_20fps_9f.mp4", size=(8, 8), limits=MediaLimits(max_frame_pixels=1000))
