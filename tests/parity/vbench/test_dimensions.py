"""Each dimension, from the video file to the score, equals the official evaluator with the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nova_bench.config.catalog import SCORERS
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.video import read_clip

from .tolerances import assert_close

FOLDER = Path(__file__).parent
CLIPS = FOLDER.parents[1] / "data" / "vbench_clips"
EXPECTED = {path.stem: json.loads(path.read_text()) for path in sorted((FOLDER / "dims").glob("*.json"))}
LISTS = ("frame_scores", "frame_diffs", "pair_scores")
SCALE = {"imaging_quality": 100.0}  # per video the official code reports 0-100, and over all videos 0-1
# Two frames each, or few pairs: some seconds. The slow test runs every clip.
QUICK = [
    ("subject_consistency", "r5_short_160x136_10fps_2f.mp4"),
    ("background_consistency", "r5_short_160x136_10fps_2f.mp4"),
    ("motion_smoothness", "r4_static_176x144_30000-1001fps_10f.mp4"),
    ("motion_smoothness", "r7_portrait_136x240_16fps_13f.mp4"),
    ("dynamic_degree", "r4_static_176x144_30000-1001fps_10f.mp4"),
    ("dynamic_degree", "r5_short_160x136_10fps_2f.mp4"),
    ("dynamic_degree", "r8_small_120x112_8fps_4f.mp4"),
    ("static_filter", "r5_short_160x136_10fps_2f.mp4"),
    ("static_filter", "r8_small_120x112_8fps_4f.mp4"),
    ("imaging_quality", "r5_short_160x136_10fps_2f.mp4"),
    ("appearance_style", "r5_short_160x136_10fps_2f.mp4"),
]


@pytest.fixture
def context(request: pytest.FixtureRequest, dimension: str) -> ScorerContext:
    return request.getfixturevalue("static_context" if dimension == "static_filter" else "rule_context")


def score(dimension: str, context: ScorerContext, names: list[str], **settings: Any) -> list[Score]:
    info = SCORERS.get(dimension)
    samples = [_sample(info, name, EXPECTED[dimension]["videos"][name]) for name in names]
    return info.build(info.settings(**settings), context).score(samples)


def _sample(info: ScorerInfo, name: str, expected: dict[str, Any]) -> Sample:
    """The video with what the official code was told about its prompt."""
    clip = read_clip(CLIPS / expected.get("clip", name))
    metadata = info.reads.model_validate(expected.get("metadata", {}))
    return Sample(clip, prompt=expected.get("prompt", ""), metadata=metadata)


def check(dimension: str, result: Score, expected: dict[str, Any]) -> None:
    """Score and details of one video against the official ones; an early exit's list is a beginning of theirs."""
    assert result.reason is None
    assert_close(dimension, result.value, float(expected["score"]) / SCALE.get(dimension, 1.0))
    for key in LISTS:
        if key not in expected:
            continue
        got = result.details[key] + result.details.get("end_scores", [])
        official = expected[key]
        if official[0] is None:  # NaN
            assert not got
            assert "below 121 pixels" in result.details["warning"]
            continue
        if key == "pair_scores" and result.details.get("end_scores"):
            official = official[: len(result.details[key])] + official[-2:]
        if got:
            quantity = {"frame_scores": "frame scores", "pair_scores": "pair scores"}.get(key)
            quantity = quantity or "frame differences in levels"
            assert_close(f"{dimension}, {quantity}", got, official[: len(got)])
    if "top" in expected:
        assert [name for name, _ in result.details["top"]] == [name for name, _ in expected["top"]]
        assert_close(
            f"{dimension}, probabilities",
            *([value for _, value in top] for top in (result.details["top"], expected["top"])),
        )
    if "threshold" in expected:
        assert result.details["threshold"] == expected["threshold"]
        assert result.details.get("count_needed", result.details.get("count_allowed")) == expected["count"]
        assert result.details.get("interval") == expected.get("interval")
    if "count" in expected and SCORERS.get(dimension).average == "weighted":
        assert result.weight == expected["count"]


@pytest.mark.parametrize(("dimension", "name"), QUICK)
def test_one_video(dimension: str, name: str, context: ScorerContext) -> None:
    [result] = score(dimension, context, [name])
    check(dimension, result, EXPECTED[dimension]["videos"][name])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("dimension", EXPECTED)
def test_all_videos_and_their_aggregate(dimension: str, context: ScorerContext) -> None:
    official = EXPECTED[dimension]
    names = [name for name in official["videos"] if not unmeasurable(dimension, name)]
    results = score(dimension, context, names)
    for name, result in zip(names, results, strict=True):
        check(dimension, result, official["videos"][name])
    if official["aggregate"] is not None and len(names) == len(official["videos"]):
        weighted = SCORERS.get(dimension).average == "weighted"
        weights = [result.weight if weighted else 1.0 for result in results]
        total = sum(result.value * weight for result, weight in zip(results, weights, strict=True))
        assert_close(dimension, total / sum(weights), official["aggregate"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("dimension", ["dynamic_degree", "static_filter"])
def test_every_pair_without_early_exit(dimension: str, context: ScorerContext) -> None:
    names = ["r4_static_176x144_30000-1001fps_10f.mp4", "r7_portrait_136x240_16fps_13f.mp4"]
    for name, result in zip(names, score(dimension, context, names, early_exit=False), strict=True):
        expected = EXPECTED[dimension]["videos"][name]
        check(dimension, result, expected)
        got = result.details["pair_scores"] + result.details.get("end_scores", [])
        assert len(got) == len(expected["pair_scores"])


@pytest.mark.parametrize("dimension", ["motion_smoothness"])
def test_motion_smoothness_says_what_it_cannot_measure(dimension: str, context: ScorerContext) -> None:
    """Officially NaN turns into uint8 there, which C leaves undefined."""
    [result] = score(dimension, context, ["r8_small_120x112_8fps_4f.mp4"])
    assert result.value is None
    assert "below 113 pixels" in result.reason


def unmeasurable(dimension: str, name: str) -> bool:
    return dimension == "motion_smoothness" and name.startswith("r8_")
