"""The similarity formula of subject and background consistency."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.scorers.vbench.consistency import consistency


def by_loop(features: np.ndarray) -> float:
    """The formula frame by frame, in float64."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    terms = [(max(0.0, unit[i] @ unit[i - 1]) + max(0.0, unit[i] @ unit[0])) / 2 for i in range(1, len(features))]
    return float(np.mean(terms))


@settings(max_examples=40, deadline=None)
@given(count=st.integers(2, 12), width=st.integers(2, 9), seed=st.integers(0, 2**32 - 1))
def test_formula(count: int, width: int, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(count, width)) + 0.05
    score = consistency(torch.from_numpy(features))
    assert score.value == pytest.approx(by_loop(features), abs=1e-12)
    assert score.weight == count - 1
    assert len(score.details["to_previous"]) == len(score.details["to_first"]) == count - 1


def test_opposite_frames_count_as_unlike_and_keep_their_cosines() -> None:
    score = consistency(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]]))
    assert score.details == {"to_previous": [-1.0, 1.0], "to_first": [-1.0, -1.0]}
    assert score.value == pytest.approx((0 + 0.5) / 2)


def test_scale_does_not_matter() -> None:
    features = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    scaled = features * torch.tensor([1.0, 10.0, 0.1, 3.0, 7.0])[:, None]
    assert consistency(scaled).value == pytest.approx(consistency(features).value, abs=1e-6)


def test_one_frame_is_not_measurable() -> None:
    score = consistency(torch.ones(1, 4))
    assert score.value is None
    assert "at least two" in score.reason
