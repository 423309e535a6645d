"""Latents of clips: kept on disk, added to, and scaled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nova_bench.core.errors import UserError
from nova_bench.core.progress import Progress
from nova_bench.train import data as module
from nova_bench.train.autoencoder_stage import make_autoencoder
from nova_bench.train.data import LatentClips, encode_clips, open_world, to_pixels
from nova_bench.train.optimization import Precision
from nova_bench.train.spec import DataSpec

CONFIG = {"block_out_channels": [4, 4, 4, 4], "layers_per_block": 1, "norm_num_groups": 2, "latent_channels": 2}


def encode(folder: Path, clips: int) -> LatentClips:
    vae = make_autoencoder(CONFIG, seed=0)
    data = DataSpec(clips=clips, num_frames=5, size=32)
    return encode_clips(vae, data, folder, Precision("fp32", "cpu"), Progress(quiet=True))


def test_latents_are_those_of_the_library(tmp_path: Path) -> None:
    clips = encode(tmp_path, 3)
    clip = open_world(DataSpec(num_frames=5, size=32))[2]
    with torch.no_grad():
        mean, log_variance = make_autoencoder(CONFIG, seed=0).moments(to_pixels(clip.frames)[None])[0].chunk(2)
    np.testing.assert_allclose(clips.mean[2], mean, atol=2e-3, rtol=2e-3)  # float16
    np.testing.assert_allclose(clips.std[2], (log_variance / 2).exp(), atol=2e-3, rtol=2e-3)
    assert (clips.captions[2], clips.dense_captions[2]) == (clip.caption, clip.dense_caption)
    assert clips.flow[2] == pytest.approx(clip.flow)


def test_more_clips_begin_with_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLIPS_PER_FILE", 4)
    few = encode(tmp_path, 4)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    more = encode(tmp_path, 9)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    np.testing.assert_array_equal(more.mean[:4], few.mean)
    assert len(more) == len(more.captions) == 9
    assert more.scaling() == few.scaling()


def test_scaling_gives_unit_variance() -> None:
    random = np.random.default_rng(0)
    mean = (random.normal(size=(50, 2, 3, 4, 4)) * 3 + 1.5).astype(np.float16)
    clips = LatentClips(mean, np.full_like(mean, 2.0), np.zeros(50), [""] * 50, [""] * 50)
    factor, shift = clips.scaling()
    latents = mean + 2.0 * random.normal(size=mean.shape)
    assert ((latents - shift) * factor).mean() == pytest.approx(0, abs=0.05)
    assert ((latents - shift) * factor).std() == pytest.approx(1, abs=0.05)


def test_damaged_file_is_one_clear_error(tmp_path: Path) -> None:
    encode(tmp_path, 2)
    path = next(tmp_path.glob("*.npz"))
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a readable file of latents"):
        encode(tmp_path, 2)
