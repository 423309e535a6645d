"""What every scorer without weights owes to the harness."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nova_bench.config.catalog import SCORERS
from nova_bench.scorers.base import Sample, Score, ScorerContext

from .conftest import clip_of, shifting_texture

WEIGHT_FREE = sorted(name for name, info in SCORERS.own().items() if not info.with_settings(info.settings()).assets)


@pytest.mark.parametrize("name", SCORERS.built_in)
def test_descriptions_are_complete(name: str) -> None:
    info = SCORERS.get(name)
    assert info.name == name
    assert info.summary
    assert info.version
    assert info.source
    assert info.settings()  # every setting has a default
    for field, spec in info.settings.model_fields.items():
        assert spec.description, f"{name}.{field} is not documented"
    with pytest.raises(ValidationError):
        info.settings(no_such_setting=1)


def test_weight_free_scorers_are_there() -> None:
    assert {"temporal_flickering", "dynamic_degree_dis", "psnr", "ssim", "ms_ssim"} <= set(WEIGHT_FREE)


def test_catalog_is_light() -> None:
    code = (
        "import sys; from nova_bench.config.catalog import SCORERS; SCORERS.all();"
        "print([m for m in ('torch', 'cv2', 'av', 'numpy', 'scipy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def _samples() -> list[Sample]:
    """Mixed sizes, lengths and content, one of them a still image."""
    samples = []
    for seed, (count, height, width, shift) in enumerate(
        [(4, 168, 176, 2), (4, 168, 176, 7), (6, 168, 176, 5), (3, 40, 64, 1), (1, 165, 170, 0), (5, 23, 37, 1)]
    ):
        frames = shifting_texture(count, height, width, shift, seed)
        noise = np.random.default_rng(seed).integers(-9, 10, frames.shape)
        noisy = np.clip(frames + noise, 0, 255).astype(np.uint8)
        samples.append(Sample(clip_of(noisy, 8 if count > 1 else None), clip_of(frames), "a prompt"))
    return samples


SAMPLES = _samples()


def _no_asset(name: str):
    raise AssertionError(f"asked for {name}")


def _score(name: str, samples: list[Sample]) -> list[Score]:
    info = SCORERS.get(name)
    return info.build(info.settings(), ScorerContext("cpu", _no_asset)).score(samples)


@pytest.fixture(scope="module")
def alone() -> dict[str, list[Score]]:
    return {name: [_score(name, [sample])[0] for sample in SAMPLES] for name in WEIGHT_FREE}


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_rows_are_plain_and_finite(name: str, alone) -> None:
    info = SCORERS.get(name)
    lower, upper = info.range
    for score in alone[name]:
        json.dumps(score.details, allow_nan=False)
        if score.value is None:
            assert score.reason
            continue
        assert type(score.value) is float
        assert np.isfinite(score.value)
        assert lower is None or score.value >= lower
        assert upper is None or score.value <= upper
    # Scorers that compare with the prompt may find nothing in this one.
    assert SCORERS.get(name).needs_prompt or any(score.value is not None for score in alone[name])


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_rows_do_not_depend_on_the_batch(name: str, alone) -> None:
    @settings(max_examples=6, deadline=None)
    @given(order=st.lists(st.integers(0, len(SAMPLES) - 1), min_size=1, max_size=5))
    def check(order: list[int]) -> None:
        assert _score(name, [SAMPLES[index] for index in order]) == [alone[name][index] for index in order]

    check()


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_rows_do_not_depend_on_threads(name: str, alone) -> None:
    threads = cv2.getNumThreads(), torch.get_num_threads()
    try:
        for count in (1, 3):
            cv2.setNumThreads(count)
            torch.set_num_threads(count)
            assert _score(name, SAMPLES) == alone[name]
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_clips_are_left_as_they_were(name: str) -> None:
    before = [(sample.clip.frames.clone(), sample.reference.frames.clone()) for sample in SAMPLES]
    _score(name, SAMPLES)
    for sample, (video, reference) in zip(SAMPLES, before, strict=True):
        assert torch.equal(sample.clip.frames, video)
        assert torch.equal(sample.reference.frames, reference)
    assert _score(name, []) == []
