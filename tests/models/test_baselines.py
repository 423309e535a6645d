"""`repeat_first_frame` and `nova_reconstruction`, through the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

PIPELINE = Path(__file__).parents[1] / "parity" / "vectors" / "t2v_abs_mixer" / "pipeline"
RECONSTRUCTION = {"adapter": "nova_reconstruction", "folder": str(PIPELINE)}


def videos(root: Path) -> list[np.ndarray]:
    from nova_bench.video import read_clip

    return [read_clip(path).frames.numpy() for path in sorted((root / "artifacts").rglob("*.mkv"))]


@pytest.fixture
def clip(tmp_path):
    """Lossless 9-frame clip of 64x32 and its first frame."""
    from nova_bench.video import write_image, write_lossless

    frames = np.random.default_rng(0).integers(0, 256, (9, 32, 64, 3), dtype=np.uint8)
    write_lossless(tmp_path / "clip.mkv", frames)
    write_image(tmp_path / "first.png", frames[0])
    return frames


def suite(write_suite, model, **entry):
    return write_suite(
        model=model,
        prompts={"entries": [{"text": "a cat", **entry}]},
        sampling={"num_frames": 9, "lossless": True},
        scorers=["psnr"],
    )


def test_the_first_frame_is_repeated(cli, write_suite, tmp_path, clip):
    path = suite(write_suite, {"adapter": "repeat_first_frame"}, image="first.png", reference="clip.mkv")
    result = cli("run", path)
    assert result.returncode == 0, result.stderr
    (video,) = videos(tmp_path / "runs")
    assert np.array_equal(video, np.repeat(clip[:1], 9, axis=0))


def test_the_copy_is_the_autoencoders(cli, write_suite, tmp_path, clip):
    import torch

    from nova_bench.nova.vae import load_vae

    result = cli("run", suite(write_suite, RECONSTRUCTION, reference="clip.mkv"))
    assert result.returncode == 0, result.stderr
    (video,) = videos(tmp_path / "runs")
    vae = load_vae(PIPELINE / "vae", torch.float32)
    pixels = torch.from_numpy(clip).permute(3, 0, 1, 2)[None] / 127.5 - 1
    expected = vae.decode(vae.moments(pixels).chunk(2, dim=1)[0])[0].permute(1, 2, 3, 0)
    expected = expected.mul(127.5).add(127.5).clamp(0, 255).numpy()
    assert np.abs(video - expected).max() < 1.01  # bytes by truncation, as for generated videos


def test_another_reference_makes_another_copy(cli, write_suite, tmp_path, clip):
    from nova_bench.video import write_lossless

    path = suite(write_suite, RECONSTRUCTION, reference="clip.mkv")
    cli("run", path)
    write_lossless(tmp_path / "clip.mkv", 255 - clip)
    result = cli("run", path)
    assert result.returncode == 0, result.stderr
    assert len(videos(tmp_path / "runs")) == 2


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"adapter": "repeat_first_frame"}, "no first frame"),
        (RECONSTRUCTION, "no reference clip"),
    ],
)
def test_a_prompt_without_what_it_needs_has_failed(cli, write_suite, tmp_path, model, problem):
    path = suite(write_suite, model)
    result = cli("run", path, "--set", "scorers=[temporal_flickering]")
    assert result.returncode == 3
    assert problem in result.stderr
    assert "Traceback" not in result.stderr


def test_a_damaged_autoencoder_is_named(cli, write_suite, tmp_path, clip):
    broken = shutil.copytree(PIPELINE, tmp_path / "broken")
    (weights,) = (broken / "vae").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    result = cli("run", suite(write_suite, {**RECONSTRUCTION, "folder": "broken"}, reference="clip.mkv"))
    assert result.returncode == 2
    assert "safetensors" in result.stderr
    assert "Traceback" not in result.stderr
