"""PSNR equals scikit-image, is exact, and never infinite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from skimage.metrics import peak_signal_noise_ratio

from nova_bench.core.errors import UserError
from nova_bench.scorers.base import Sample, Score
from nova_bench.scorers.fidelity.psnr import PSNR, PSNRSettings
from nova_bench.video import read_clip

from ..conftest import clip_of


def psnr_of(video: np.ndarray, reference: np.ndarray, **choices: object) -> Score:
    sample = Sample(clip_of(video, name="video.mp4"), clip_of(reference, name="reference.mp4"))
    return PSNR(PSNRSettings(**choices), None).score([sample])[0]


def test_equals_scikit_image(context, real_clips) -> None:
    video, reference = (read_clip(real_clips / f"carphone_{name}.mp4") for name in ("distorted", "pristine"))
    [score] = PSNR(PSNRSettings(), context).score([Sample(video, reference)])
    expected = [
        peak_signal_noise_ratio(b, a, data_range=255)
        for a, b in zip(video.frames.numpy(), reference.frames.numpy(), strict=True)
    ]
    assert score.details["per_frame"] == pytest.approx(expected, abs=1e-4)
    assert score.value == pytest.approx(np.mean(expected), abs=1e-4)
    assert score.details["capped"] == 0


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_formula(height: int, width: int, seed: int) -> None:
    video, reference = np.random.default_rng(seed).integers(0, 256, (2, 3, height, width, 3), dtype=np.uint8)
    mse = ((video.astype(float) - reference) ** 2).mean(axis=(1, 2, 3))
    expected = np.minimum(10 * np.log10(255**2 / np.maximum(mse, 1e-30)), 100)
    score = psnr_of(video, reference)
    assert score.details["per_frame"] == pytest.approx(expected, rel=1e-12)
    assert psnr_of(reference, video) == score


def test_opposite_extremes_are_zero_decibels() -> None:
    black, white = np.zeros((1, 1100, 1300, 3), np.uint8), np.full((1, 1100, 1300, 3), 255, np.uint8)
    assert psnr_of(black, white).value == 0.0


def test_identical_frames_get_the_cap() -> None:
    reference = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    video = reference.copy()
    assert psnr_of(video, reference) == Score(100.0, details={"per_frame": [100.0] * 3, "capped": 3})
    assert psnr_of(video, reference, cap=60).value == 60.0
    video[0, 0, 0, 0] ^= 1
    almost = psnr_of(video, reference)
    assert almost.details["per_frame"][0] == pytest.approx(10 * np.log10(255**2 * 8 * 8 * 3))
    assert almost.details["capped"] == 2


@pytest.mark.parametrize("cap", [0, -1, float("inf"), float("nan")])
def test_cap_must_be_finite(cap: float) -> None:
    with pytest.raises(ValidationError):
        PSNRSettings(cap=cap)


def test_what_does_not_fit_is_an_error() -> None:
    video = np.zeros((4, 8, 16, 3), np.uint8)
    with pytest.raises(UserError, match=r"video\.mp4: 16x8, but its reference reference\.mp4 is 8x8"):
        psnr_of(video, video[:, :, :8])
    with pytest.raises(UserError, match=r"video\.mp4: 4 frames, but its reference reference\.mp4 has 3.*common"):
        psnr_of(video, video[:3])
    with pytest.raises(UserError, match="is to be compared with a reference"):
        PSNR(PSNRSettings(), None).score([Sample(clip_of(video))])


def test_common_frames() -> None:
    video = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    reference = np.zeros_like(video)
    expected = psnr_of(video[:3], reference[:3])
    assert psnr_of(video, reference[:3], frames="common") == expected
    assert psnr_of(video[:3], reference, frames="common") == expected
