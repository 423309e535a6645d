"""SSIM equals scikit-image; MS-SSIM equals the published definition written out in another library."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from nova_bench.core.errors import UserError
from nova_bench.scorers.base import Sample, Score
from nova_bench.scorers.fidelity.frames import FidelitySettings
from nova_bench.scorers.fidelity.ssim import MSSSIM, SSIM
from nova_bench.video import read_clip

from ..conftest import clip_of


def score_of(scorer: type, video: np.ndarray, reference: np.ndarray, **choices: object) -> Score:
    return scorer(FidelitySettings(**choices), None).score([Sample(clip_of(video), clip_of(reference))])[0]


def scikit_image(video: np.ndarray, reference: np.ndarray) -> float:
    return structural_similarity(
        video,
        reference,
        data_range=255,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def scipy_ms_ssim(video: np.ndarray, reference: np.ndarray) -> float:
    """MS-SSIM with explicit Gaussian taps, channel by channel; even sides only."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blur(image: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(image, taps, axis=0), taps, axis=1)[5:-5, 5:-5]

    channels = []
    for x, y in zip(np.moveaxis(video, -1, 0).astype(float), np.moveaxis(reference, -1, 0).astype(float), strict=True):
        value = 1.0
        for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
            mx, my = blur(x), blur(y)
            terms = (2 * (blur(x * y) - mx * my) + 58.5225) / (blur(x * x) - mx**2 + blur(y * y) - my**2 + 58.5225)
            if scale == 4:
                terms = terms * (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)
            value *= max(terms.mean(), 0) ** weight
            if scale < 4:
                x, y = (sum(z[i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4 for z in (x, y))
        channels.append(value)
    return float(np.mean(channels))


def test_equals_scikit_image(context, real_clips) -> None:
    video, reference = (
        read_clip(real_clips / f"carphone_{name}.mp4", max_frames=20) for name in ("distorted", "pristine")
    )
    [score] = SSIM(FidelitySettings(), context).score([Sample(video, reference)])
    expected = [scikit_image(a, b) for a, b in zip(video.frames.numpy(), reference.frames.numpy(), strict=True)]
    assert score.details["per_frame"] == pytest.approx(expected, abs=1e-4)
    assert score.value == pytest.approx(np.mean(expected), abs=1e-4)


@pytest.mark.parametrize(("level", "noise"), [(250, 1), (250, 4), (128, 60), (4, 3)])
@pytest.mark.parametrize(("height", "width"), [(11, 11), (12, 31), (64, 49)])
def test_equals_scikit_image_on_flat_noise(level: int, noise: int, height: int, width: int) -> None:
    """Nearly flat bright areas: where float32 is not enough."""
    rng = np.random.default_rng(0)
    video, reference = (
        np.clip(level + rng.integers(-noise, noise + 1, (1, height, width, 3)), 0, 255).astype(np.uint8) for _ in "ab"
    )
    assert score_of(SSIM, video, reference).value == pytest.approx(scikit_image(video[0], reference[0]), abs=1e-10)


def test_ms_ssim_equals_the_definition(context, real_clips) -> None:
    frames = read_clip(real_clips / "bikes.mp4", max_frames=30).frames.numpy()[::10, :, 64:-64]
    assert frames.shape[1:3] == (272, 512)
    for first, second in pairwise(frames):
        value = score_of(MSSSIM, first[None], second[None]).value
        assert value == pytest.approx(scipy_ms_ssim(first, second), abs=1e-9)
        tensors = [torch.from_numpy(frame)[None].movedim(-1, 1).float() for frame in (first, second)]
        # torchmetrics mirrors the border at the coarsest scale and pools channels before multiplying.
        assert value == pytest.approx(
            float(multiscale_structural_similarity_index_measure(*tensors, data_range=255.0)), abs=0.02
        )


@pytest.mark.parametrize("scorer", [SSIM, MSSSIM])
@pytest.mark.parametrize("level", [0, 255, None])
def test_identical_is_one(scorer: type, level: int | None) -> None:
    shape = (2, 165, 163, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if level is not None:
        frames = np.full(shape, level, np.uint8)
    assert score_of(scorer, frames, frames).value == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("scorer", [SSIM, MSSSIM])
def test_worse_is_lower(scorer: type) -> None:
    rng = np.random.default_rng(0)
    reference = np.repeat(rng.integers(0, 256, (1, 170, 1, 3), dtype=np.uint8), 170, axis=2)
    noise = rng.normal(size=reference.shape)
    values = [
        score_of(scorer, np.clip(reference + strength * noise, 0, 255).astype(np.uint8), reference).value
        for strength in (0, 5, 20, 80)
    ]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 4
    assert score_of(scorer, 255 - reference, reference).value < 0.2


@pytest.mark.parametrize(("scorer", "side"), [(SSIM, 11), (MSSSIM, 161)])
def test_too_small_is_not_measurable(scorer: type, side: int) -> None:
    frames = np.zeros((1, side + 20, side, 3), np.uint8)
    assert score_of(scorer, frames, frames).value == pytest.approx(1.0)
    small = score_of(scorer, frames[:, :, 1:], frames[:, :, 1:])
    assert small.value is None
    assert f"needs sides of {side} pixels" in small.reason


@pytest.mark.parametrize("scorer", [SSIM, MSSSIM])
def test_frames_setting(scorer: type) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 170, 170, 3), dtype=np.uint8)
    with pytest.raises(UserError, match=r"3 frames, but its reference .* has 2"):
        score_of(scorer, frames, frames[:2])
    assert len(score_of(scorer, frames, frames[:2], frames="common").details["per_frame"]) == 2
