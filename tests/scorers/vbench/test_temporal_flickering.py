"""Temporal flickering equals the official VBench 1.0 code to 1e-6."""

from __future__ import annotations

import importlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.scorers.base import Sample
from nova_bench.scorers.vbench.temporal_flickering import TemporalFlickering, TemporalFlickeringSettings
from nova_bench.video import read_clip

from ..conftest import REAL_CLIPS, VBENCH_CLIPS, clip_of

EXPECTED = json.loads((VBENCH_CLIPS / "temporal_flickering.json").read_text())


@pytest.fixture
def scorer(context) -> TemporalFlickering:
    return TemporalFlickering(TemporalFlickeringSettings(), context)


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """VBench's own module; its package (decord, detectron2, ...) is kept out by empty stand-ins."""
    spec = find_spec("vbench")
    if spec is None:
        pytest.skip("vbench is not installed: pip install --no-deps vbench==0.1.5")
    package, dimension_info = ModuleType("vbench"), ModuleType("vbench.utils")
    package.__path__ = list(spec.submodule_search_locations)
    dimension_info.load_dimension_info = None
    monkeypatch.setitem(sys.modules, "vbench", package)
    monkeypatch.setitem(sys.modules, "vbench.utils", dimension_info)
    for name in ("vbench.distributed", "vbench.temporal_flickering"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("vbench.temporal_flickering")


@pytest.mark.parametrize("name", REAL_CLIPS)
def test_equals_official_code(scorer, official, real_clips: Path, name: str) -> None:
    [score] = scorer.score([Sample(read_clip(real_clips / name))])
    assert score.value == pytest.approx(official.cal_score(str(real_clips / name)), abs=1e-6)


@pytest.mark.parametrize("name", EXPECTED)
def test_equals_official_numbers(scorer, vbench_clips: Path, name: str) -> None:
    [score] = scorer.score([Sample(read_clip(vbench_clips / name))])
    assert score.value == pytest.approx(EXPECTED[name]["score"], abs=1e-6)
    assert score.details["mae"] == pytest.approx(EXPECTED[name]["mae"], rel=1e-5, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(2, 5), height=st.integers(1, 20), width=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_formula(count: int, height: int, width: int, seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    [score] = TemporalFlickering(TemporalFlickeringSettings(), None).score([Sample(clip_of(frames))])
    mae = np.abs(np.diff(frames.astype(np.int64), axis=0)).mean(axis=(1, 2, 3))
    assert score.details["mae"] == pytest.approx(mae, rel=1e-14)
    assert score.value == pytest.approx((255 - mae.mean()) / 255, rel=1e-13)


def test_extremes(scorer, make_clip) -> None:
    black, white = np.zeros((1, 1100, 1300, 3), np.uint8), np.full((1, 1100, 1300, 3), 255, np.uint8)
    still, blinking = scorer.score(
        [Sample(make_clip(np.concatenate([black, black]))), Sample(make_clip(np.concatenate([black, white, black])))]
    )
    assert still.value == 1.0
    assert blinking.value == 0.0


def test_one_frame_is_not_measurable(scorer, make_clip) -> None:
    [score] = scorer.score([Sample(make_clip(np.zeros((1, 8, 8, 3), np.uint8), fps=None))])
    assert score.value is None
    assert "at least two" in score.reason
