"""The estimate of a GPU's time that `plan` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nova_bench.config.catalog import SCORERS
from nova_bench.pipeline import operations

SIZE = (33, 480, 768, 12)
TABLE = json.loads(Path(operations.__file__).with_name("operations.json").read_text())


def test_every_counted_scorer_exists_and_costs_something() -> None:
    for name in TABLE["scorers"]:
        assert SCORERS.get(name).name == name
        assert operations.gflop(name, *SIZE) > 0


def test_larger_frames_cost_detectors_more_and_fixed_sizes_the_same() -> None:
    large = (33, 720, 1280, 12)
    assert operations.gflop("object_class", *large) > 1.8 * operations.gflop("object_class", *SIZE)
    assert operations.gflop("human_action", *large) == operations.gflop("human_action", *SIZE)


def test_detectors_see_very_large_frames_resampled() -> None:
    large, larger = (33, 1080, 1920, 12), (33, 2160, 3840, 12)
    assert operations.gflop("color", *large) == operations.gflop("color", *larger)


@pytest.mark.parametrize(("fps", "pairs"), [(8, 32), (12, 16), (24, 10)])
def test_flow_is_computed_at_eight_frames_a_second(fps: int, pairs: int) -> None:
    each = operations.gflop("dynamic_degree", 33, 480, 768, 8) / 32
    assert operations.gflop("dynamic_degree", 33, 480, 768, fps) == pytest.approx(pairs * each)


def test_the_line_counts_what_is_left() -> None:
    twice = operations.estimate([("human_action", 2), ("object_class", 0), ("psnr", 5)], *SIZE)
    assert twice is not None
    share = TABLE["share_of_peak"] * TABLE["devices"][0]["float32"] * 1e3
    minutes = 2 * operations.gflop("human_action", *SIZE) / share / 60
    assert "in 1 scorers" in twice
    assert f"{minutes:.3g} min" in twice
    assert operations.estimate([("psnr", 5), ("human_action", 0)], *SIZE) is None
