"""Each scorer gives full marks to true videos, none for what is wrong, and says when a prompt doesn't state it."""

from __future__ import annotations

import gc
import json
from dataclasses import replace

import numpy as np
import pytest

import nova_bench.shapes.judge
from nova_bench.config.catalog import SCORERS
from nova_bench.scorers.base import Sample, Score, ScorerContext
from nova_bench.scorers.shapes.reading import _READINGS
from nova_bench.shapes import Motion, Scene, ShapesWorld, Thing, caption
from nova_bench.shapes.rendering import render

from ..conftest import clip_of

NAMES = [name for name in SCORERS.built_in if name.startswith("shapes/")]
STILL, RIGHT = Motion("static"), Motion("move", "right", "fast")


def _score(name: str, *samples: Sample, context: ScorerContext, **settings: object) -> list[Score]:
    info = SCORERS.get(name)
    return info.build(info.settings(**settings), context).score(samples)


def _sample(scene: Scene, prompt: str, frames: int = 17) -> Sample:
    return Sample(clip_of(render(scene, frames, 64), 12), prompt=prompt)


def _pair(**changes: object) -> Scene:
    first = Thing("circle", "red", "small", STILL, 18.0, 30.0)
    return Scene(
        (replace(first, **changes), Thing("square", "blue", "small", STILL, 46.0, 32.0)), "left of", "white", False
    )


def test_names() -> None:
    dimensions = ("object_class", "multiple_objects", "color", "count", "spatial_relationship", "motion", "all")
    assert [f"shapes/{dimension}" for dimension in dimensions] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_true_videos(name: str, context: ScorerContext) -> None:
    clips = [ShapesWorld("test", seed=8)[index] for index in range(24)]
    samples = [Sample(clip_of(clip.frames, 12), prompt=clip.dense_caption) for clip in clips]
    scores = _score(name, *samples, context=context)
    measured = [score.value for score in scores if score.value is not None]
    assert len(measured) >= 4
    assert set(measured) == {1.0}
    for clip, score in zip(clips, scores, strict=True):
        json.dumps(score.details, allow_nan=False)
        assert (score.value is None) == (score.reason is not None)
        if name in ("shapes/multiple_objects", "shapes/spatial_relationship"):
            assert (score.value is not None) == (clip.scene.relation is not None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (1, 1, 1, 1, 1, 1, 1)),
        ({"color": "green"}, (1, 1, 0.5, 1, 1, 1, 0)),
        ({"shape": "star"}, (0.5, 0, 1, 1, 0, 1, 0)),
        ({"x": 46.0, "y": 10.0}, (1, 1, 1, 1, 0, 1, 0)),
        ({"x": 16.0, "motion": Motion("move", "up", "slow")}, (1, 1, 1, 1, 1, 0.5, 0)),
        ({"motion": Motion("grow")}, (1, 1, 1, 1, 1, 0.5, 0)),
        ({"size": "large"}, (1, 1, 1, 1, 1, 1, 0)),
    ],
    ids=["nothing", "colour", "shape", "place", "motion", "growth", "size"],
)
def test_one_thing_wrong(change: dict, expected: tuple[float, ...], context: ScorerContext) -> None:
    """What is wrong lowers the scores that are about it, and no other."""
    prompt = caption(_pair(), 3)
    sample = _sample(_pair(**change), prompt)
    assert tuple(_score(name, sample, context=context)[0].value for name in NAMES) == expected


def test_an_object_too_many_or_too_few(context: ScorerContext) -> None:
    single = Scene((Thing("star", "pink", "small", STILL, 30.0, 30.0),), None, "gray", False)
    pair_seen = _sample(_pair(), caption(single, 3))
    single_seen = _sample(single, caption(_pair(), 3))
    for sample in (pair_seen, single_seen):
        assert _score("shapes/count", sample, context=context)[0].value == 0
        assert _score("shapes/all", sample, context=context)[0].value == 0
    color = _score("shapes/color", pair_seen, context=context)[0]
    assert color.value is None
    assert color.reason == "no star was seen in any frame"


def test_part_of_the_frames(context: ScorerContext) -> None:
    """A circle that turns green after ten of sixteen frames, and then is gone for a quarter of the time."""
    red = Scene((Thing("circle", "red", "large", STILL, 30.0, 30.0),), None, "white", False)
    green = replace(red, objects=(replace(red.objects[0], color="green"),))
    empty = np.broadcast_to(render(red, 1, 64)[:, :1, :1], (4, 64, 64, 3))
    frames = np.concatenate([render(red, 10, 64), render(green, 2, 64), empty])
    sample = Sample(clip_of(frames, 12), prompt="a red circle standing still")
    assert _score("shapes/object_class", sample, context=context)[0].value == pytest.approx(12 / 16)
    assert _score("shapes/color", sample, context=context)[0].value == pytest.approx(10 / 12)
    assert _score("shapes/count", sample, context=context)[0].value == pytest.approx(12 / 16)
    assert _score("shapes/object_class", sample, context=context, frames=10)[0].value == 1


@pytest.mark.parametrize(
    ("name", "prompt", "reason"),
    [
        *((name, "a cat", "'a cat' is not a caption of the shapes world") for name in NAMES),
        ("shapes/multiple_objects", "a red circle", "the prompt names one kind of object only"),
        ("shapes/spatial_relationship", "a red circle and a blue square", "the prompt names no relation"),
        ("shapes/motion", "a red circle", "the prompt states no motion"),
    ],
)
def test_not_measurable(name: str, prompt: str, reason: str, context: ScorerContext) -> None:
    score = _score(name, _sample(_pair(), prompt), context=context)[0]
    assert score.value is None
    assert score.reason == reason


def test_pictures(context: ScorerContext) -> None:
    """A single frame shows everything but motion."""
    sample = _sample(_pair(), caption(_pair(), 3), frames=1)
    scores = {name: _score(name, sample, context=context)[0] for name in NAMES}
    assert scores["shapes/motion"].value is None
    assert "at least 5" in scores["shapes/motion"].reason
    assert all(score.value == 1 for name, score in scores.items() if name != "shapes/motion")
    assert scores["shapes/all"].details["checks"]["motion"] is None


def test_a_clip_is_read_once(context: ScorerContext, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    see = nova_bench.shapes.judge.see
    monkeypatch.setattr(nova_bench.shapes.judge, "see", lambda frames: reads.append(len(frames)) or see(frames))
    sample = _sample(_pair(), caption(_pair(), 3), frames=21)
    for name in NAMES:
        _score(name, sample, context=context)
    assert reads == [17]
    _score("shapes/count", sample, context=context, frames=None)
    assert reads == [17, 21]
    before = len(_READINGS)
    del sample
    gc.collect()
    assert len(_READINGS) == before - 1
