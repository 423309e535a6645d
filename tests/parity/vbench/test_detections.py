"""The rules of the dimensions that use GRiT, on what the official functions made of invented objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from nova_bench.config.catalog import SCORERS
from nova_bench.config.metadata import Metadata
from nova_bench.scorers.base import Sample, Score, ScorerContext
from nova_bench.scorers.vbench.color import Color, count
from nova_bench.scorers.vbench.detection import Detection, Detector
from nova_bench.scorers.vbench.object_class import share_with
from nova_bench.scorers.vbench.spatial_relationship import Relationship, SpatialRelationship, position_score
from tests.scorers.conftest import clip_of

OFFICIAL = json.loads((Path(__file__).parent / "detections.json").read_text())
SIDES = ("on the left of", "on the right of", "on the top of", "on the bottom of")
BLANK = clip_of(np.zeros((16, 8, 8, 3), np.uint8))


@pytest.mark.parametrize("case", OFFICIAL["object_class"])
def test_object_class_counts_frames_with_the_object(case: dict[str, Any]) -> None:
    frames = [set(names) for names in case["frames"]]
    assert share_with(frames, [case["key"]]) == case["count"] / len(frames)


@pytest.mark.parametrize("case", OFFICIAL["multiple_objects"])
def test_multiple_objects_counts_frames_with_both(case: dict[str, Any]) -> None:
    frames, objects = [set(names) for names in case["frames"]], [key.strip() for key in case["key"].split(" and ")]
    assert share_with(frames, objects) == case["count"] / len(frames)


@pytest.mark.parametrize("case", OFFICIAL["color"])
def test_color_counts_captions_of_frames_that_begin_with_the_object(case: dict[str, Any]) -> None:
    frames = [[Detection(name, caption, (0, 0, 1, 1)) for caption, name in frame] for frame in case["frames"]]
    captions = [Color.captions(frame, case["object"]) for frame in frames]
    assert count(captions, case["color"]) == (case["cur_object"], case["cur_object_color"])


def test_a_pair_scores_as_officially() -> None:
    for case in OFFICIAL["position_score"]:
        if case["locality"] not in SIDES:  # the official code takes parts of the words too; a suite may not say them
            with pytest.raises(ValidationError):
                Relationship(object_a="cat", object_b="dog", relationship=case["locality"])
            continue
        sideways = case["locality"] in SIDES[:2]
        if isinstance(case["score"], str):
            with pytest.raises(ZeroDivisionError):
                position_score(case["a"], case["b"], sideways)
        else:
            assert position_score(case["a"], case["b"], sideways) == case["score"], case


@pytest.mark.parametrize("case", OFFICIAL["spatial_relationship"])
def test_spatial_relationship_takes_the_best_pair_of_a_frame(case: dict[str, Any]) -> None:
    wanted = Relationship(**case["key"])
    frames = [[Detection(name, "", tuple(box)) for name, box in frame] for frame in case["frames"]]
    assert [max((0, *SpatialRelationship.pair_scores(frame, wanted))) for frame in frames] == case["scores"]


@pytest.mark.parametrize("dimension", ["object_class", "multiple_objects", "color", "spatial_relationship"])
def test_whole_videos_and_their_aggregate(dimension: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official loop ran on the same objects; names of what color and the others see differ there on purpose."""
    official = OFFICIAL[f"loop_{dimension}"]
    expected = {result["video_path"]: result["video_results"] for result in official["video_results"]}
    total = weights = 0.0
    for info in official["infos"]:
        for video in info["video_list"]:
            frames = [seen(frame, dimension) for frame in official["frames_per_video"][video]]
            result = score(dimension, stated(dimension, info), frames, monkeypatch)
            assert result.value == pytest.approx(expected.get(video), abs=1e-12)
            if result.value is not None:
                total, weights = total + result.value * result.weight, weights + result.weight
    assert total / weights == pytest.approx(official["aggregate"], abs=1e-12)


def seen(frame: list[Any], dimension: str) -> list[Detection]:
    """The objects of one frame of the official lists (description, box, all names)."""
    named_by_caption = dimension == "spatial_relationship"
    return [
        Detection(caption if named_by_caption else names[index], caption, tuple(box))
        for index, (caption, box, names) in enumerate(frame)
    ]


def stated(dimension: str, info: dict[str, Any]) -> dict[str, Any]:
    """The prompt's metadata as ours states it."""
    auxiliary = info["auxiliary_info"]
    if dimension == "multiple_objects":
        return {"objects": auxiliary["object"].split(" and ")}
    if dimension == "color":
        return {"color": auxiliary["color"], "object": info["prompt"].removeprefix(f"a {auxiliary['color']} ")}
    return auxiliary


def score(
    dimension: str, metadata: dict[str, Any], frames: list[list[Detection]], monkeypatch: pytest.MonkeyPatch
) -> Score:
    """The scorer's result for a video in which GRiT saw this."""
    monkeypatch.setattr(Detector, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(Detector, "detect", lambda *_: frames)
    info = SCORERS.get(dimension)
    context = ScorerContext("cpu", lambda name: Path(name))
    sample = Sample(BLANK, metadata=Metadata.of(metadata).read(info.reads))
    [result] = info.build(info.settings(), context).score([sample])
    return result


CAR, BUS = Detection("car", "a red car", (0, 0, 10, 10)), Detection("bus", "a blue bus", (40, 2, 50, 12))
SECOND_CAR = Detection("car", "a white car", (80, 0, 90, 10))
POINT = Detection("car", "", (5, 5, 5, 5))
RIGHT = {"spatial_relationship": {"object_a": "car", "object_b": "bus", "relationship": "on the right of"}}
TWO_CARS = {"spatial_relationship": {"object_a": "car", "object_b": "car", "relationship": "on the right of"}}
CASES = [
    ("color", {"object": "car", "color": "red"}, [BUS, CAR], None),
    ("color_corrected", {"object": "car", "color": "red"}, [BUS, CAR], 1.0),
    ("color", {"object": "bus", "color": "red"}, [BUS, CAR], 1.0),
    ("color_corrected", {"object": "bus", "color": "red"}, [BUS, CAR], 0.0),
    ("spatial_relationship", RIGHT, [CAR, BUS], 1.0),
    ("spatial_relationship_corrected", RIGHT, [CAR, BUS], 0.0),
    ("spatial_relationship_corrected", RIGHT, [BUS, SECOND_CAR], 1.0),
    ("spatial_relationship", RIGHT, [CAR, SECOND_CAR], 1.0),
    ("spatial_relationship_corrected", RIGHT, [CAR, SECOND_CAR], 0.0),
    ("spatial_relationship_corrected", TWO_CARS, [CAR, SECOND_CAR], 1.0),
    ("spatial_relationship", RIGHT, [POINT, POINT], None),
    ("spatial_relationship_corrected", RIGHT, [POINT, POINT], 0.0),
    ("object_class", {"object": "car"}, [], 0.0),
    ("multiple_objects", {"objects": ["car", "bus"]}, [], 0.0),
    ("spatial_relationship", RIGHT, [], 0.0),
    ("color", {"object": "car", "color": "red"}, [], None),
]


@pytest.mark.parametrize(("dimension", "metadata", "frame", "value"), CASES)
def test_official_traps_and_their_corrections(
    dimension: str,
    metadata: dict[str, Any],
    frame: list[Detection],
    value: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert score(dimension, metadata, [frame] * 16, monkeypatch).value == value


RED_CAR, RED_BUS = {"object": "car", "color": "red"}, {"object": "bus", "color": "red"}
DOCUMENTED = [
    ('"a blue bus", "a red car"', "a red car", "color", RED_CAR, [BUS, CAR]),
    ('"a blue bus", "a red car"', "a red bus", "color", RED_BUS, [BUS, CAR]),
    ("a car left of a bus", "a car on the right of a bus", "spatial_relationship", RIGHT, [CAR, BUS]),
    ("a car right of a bus", "a car on the right of a bus", "spatial_relationship", RIGHT, [BUS, SECOND_CAR]),
    ("two cars side by side", "a car on the right of a bus", "spatial_relationship", RIGHT, [CAR, SECOND_CAR]),
    ("two cars on one pixel", "a car on the right of a bus", "spatial_relationship", RIGHT, [POINT, POINT]),
]


def test_the_documented_table_is_what_the_scorers_say(monkeypatch: pytest.MonkeyPatch) -> None:
    document = (Path(__file__).parents[3] / "docs" / "vbench.md").read_text()
    for sees, prompt, dimension, metadata, frame in DOCUMENTED:
        values = [
            score(name, metadata, [frame] * 16, monkeypatch).value for name in (dimension, f"{dimension}_corrected")
        ]
        cells = ["not measurable" if value is None else f"{value:g}" for value in values]
        assert f"| {sees} | {prompt} | {cells[0]} | {cells[1]} |" in document


@pytest.mark.parametrize(
    ("dimension", "metadata", "reason"),
    [
        ("object_class", {"object": "bycicle"}, "did you mean 'bicycle'"),
        ("multiple_objects", {"objects": ["cat", "dragon"]}, "dragon' is not one of the 80 objects"),
        ("spatial_relationship", {"spatial_relationship": RIGHT["spatial_relationship"] | {"object_b": "bar"}}, "bar"),
        ("color", {"object": "car", "color": "brown"}, "brown' is not one of the colours"),
        ("color_corrected", {"object": "Car", "color": "red"}, "did you mean 'car'"),
    ],
)
def test_what_grit_never_names_is_not_measurable(
    dimension: str, metadata: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = score(dimension, metadata, [[CAR]] * 16, monkeypatch)
    assert result.value is None
    assert result.reason is not None
    assert reason in result.reason
