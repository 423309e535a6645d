"""Encoding: lossless means lossless, and a file exists whole or not at all."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.core.errors import MediaError
from nova_bench.video import probe, read_clip, write_image, write_lossless, write_mp4


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    count=st.integers(1, 5),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    fps=st.sampled_from([12, 20, 24, Fraction(30000, 1001), Fraction(24000, 1001), 29.97]),
    seed=st.integers(0, 2**32 - 1),
)
def test_lossless_round_trip(tmp_path: Path, count: int, height: int, width: int, fps, seed: int) -> None:
    frames = torch.randint(
        0, 256, (count, height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )
    write_lossless(tmp_path / "clip.mkv", frames, fps)
    clip = read_clip(tmp_path / "clip.mkv")
    assert torch.equal(clip.frames, frames)
    assert float(clip.fps) == pytest.approx(float(fps), rel=1e-4)
    assert clip.declared_frames == count
    assert not clip.variable_frame_rate


def test_mp4_is_what_the_sampler_exports(tmp_path: Path, texture) -> None:
    frames = texture(33, 48, 80)
    write_mp4(tmp_path / "clip.mp4", frames)
    info = probe(tmp_path / "clip.mp4")
    assert (info.codec, info.pix_fmt, info.fps, info.frames) == ("h264", "yuv420p", 12, 33)
    decoded = read_clip(tmp_path / "clip.mp4").frames.numpy().astype(float)
    psnr = 10 * np.log10(255**2 / np.mean((decoded - frames) ** 2))
    assert psnr > 25


def test_the_same_frames_give_the_same_bytes(tmp_path: Path, texture) -> None:
    """Rows of eleven macroblocks, and encoders side by side, as the store has them: memory that holds other things."""
    frames = texture(20, 144, 176)

    def encoded(index: int) -> bytes:
        path = tmp_path / f"{index}.mp4"
        write_mp4(path, frames)
        return path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(encoded, range(64)))) == 1


@pytest.mark.parametrize(("height", "width"), [(47, 64), (48, 63), (47, 63), (1, 1)])
def test_mp4_odd_size_repeats_the_edge(tmp_path: Path, texture, height: int, width: int) -> None:
    frames = texture(3, height, width)
    write_mp4(tmp_path / "odd.mp4", frames, crf=0)
    write_mp4(
        tmp_path / "padded.mp4", np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge"), crf=0
    )
    odd = read_clip(tmp_path / "odd.mp4").frames
    assert tuple(odd.shape[1:3]) == (height + height % 2, width + width % 2)
    assert torch.equal(odd, read_clip(tmp_path / "padded.mp4").frames)


@pytest.mark.parametrize(("write", "name"), [(write_mp4, "clip.mp4"), (write_lossless, "clip.mkv")])
def test_same_frames_same_bytes(tmp_path: Path, texture, write, name: str) -> None:
    write(tmp_path / name, texture(5, 48, 64))
    first = (tmp_path / name).read_bytes()
    write(tmp_path / name, torch.from_numpy(texture(5, 48, 64)))
    assert (tmp_path / name).read_bytes() == first


def test_image_round_trip(tmp_path: Path, texture) -> None:
    frame = texture(1, 33, 47)[0]
    for name in ("a.png", "a.jpg", "a.webp"):
        write_image(tmp_path / name, frame)
        decoded = read_clip(tmp_path / name).frames[0].numpy()
        limit = 0 if name.endswith("png") else 40
        assert np.abs(decoded.astype(int) - frame).max() <= limit
    write_image(tmp_path / "tensor.png", torch.from_numpy(frame))
    assert np.array_equal(read_clip(tmp_path / "tensor.png").frames[0], frame)


def test_failure_leaves_the_old_file(tmp_path: Path, texture, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    write_mp4(path, texture(2, 48, 64))
    old = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    for write, name in ((write_mp4, "clip.mp4"), (write_lossless, "new.mkv")):
        with pytest.raises(MediaError, match=f"{name}: cannot be written: No space left"):
            write(tmp_path / name, texture(3, 48, 64))
    with pytest.raises(MediaError, match="No space left"):
        write_image(tmp_path / "new.png", texture(1, 48, 64)[0])
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]


def test_interrupt_while_encoding_leaves_nothing(tmp_path: Path, texture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av.VideoFrame, "from_ndarray", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_mp4(tmp_path / "clip.mp4", texture(2, 48, 64))
    assert not list(tmp_path.iterdir())


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("write", [write_mp4, write_lossless])
@pytest.mark.parametrize(
    "frames",
    [
        torch.zeros(2, 8, 8, 3),
        torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(0, 8, 8, 3, dtype=torch.uint8),
        torch.zeros(8, 8, 3, dtype=torch.uint8),
    ],
    ids=["float", "channels first", "no frame", "no time axis"],
)
def test_wrong_frames(tmp_path: Path, write, frames: torch.Tensor) -> None:
    with pytest.raises(MediaError, match=r"frames must be uint8 RGB of shape \[T, H, W, 3\]"):
        write(tmp_path / "clip.mp4", frames)
    assert not list(tmp_path.iterdir())


def test_bad_targets(tmp_path: Path, texture) -> None:
    frames = texture(1, 8, 8)
    with pytest.raises(MediaError, match="check that the folder exists"):
        write_mp4(tmp_path / "no" / "clip.mp4", frames)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(MediaError, match="cannot be written"):
        write_mp4(tmp_path / "folder.mp4", frames)
    with pytest.raises(MediaError, match="no image format"):
        write_image(tmp_path / "image.xyz", frames[0])
    with pytest.raises(MediaError, match="rate of 0"):
        write_mp4(tmp_path / "clip.mp4", frames, fps=0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.mp4"]


def test_permissions_follow_the_umask(tmp_path: Path, texture) -> None:
    write_lossless(tmp_path / "clip.mkv", texture(1, 8, 8))
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "clip.mkv").stat().st_mode == plain.stat().st_mode
