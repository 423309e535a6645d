"""The judge is right where the truth is known, finds fault where there is one, and sees mirrored videos mirrored."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.shapes import TEMPLATES, Claims, Motion, Scene, ShapesWorld, Thing, ThingClaim
from nova_bench.shapes.captions import claims
from nova_bench.shapes.geometry import centres, radii
from nova_bench.shapes.judge import checks, relation_score, see
from nova_bench.shapes.rendering import COLOR_RGB, render
from nova_bench.shapes.scene import COLORS, MOTIONS, SHAPES
from nova_bench.shapes.segment import Blob
from nova_bench.shapes.tracking import IRREGULAR

FULL = TEMPLATES[-1]
MIRROR = {"left": "right", "right": "left"}


def _soft(frames: np.ndarray) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in frames])


def _noisy(frames: np.ndarray) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(0, 12, frames.shape)
    return np.clip(frames + drawn, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("degrade", [lambda frames: frames, _soft, _noisy], ids=["clean", "soft", "noisy"])
def test_accuracy(degrade) -> None:
    """At least 99 % of every property; ``benchmarks/shapes_judge.py`` measures more, on more."""
    right, stated = Counter(), Counter()
    for split in ("val", "test"):
        for index in range(25):
            clip = ShapesWorld(split, seed=11)[index]
            for name, value in checks(claims(clip.scene, FULL), see(degrade(clip.frames))).items():
                right[name] += bool(value)
                stated[name] += 1
    assert set(stated) == {"count", "shape", "color", "size", "motion", "speed", "relation", "background"}
    for name, count in stated.items():
        assert right[name] >= 0.99 * count, name


def test_positions_and_sizes() -> None:
    for index in range(20):
        clip = ShapesWorld("val", seed=3)[index]
        seen = see(clip.frames)
        times = np.arange(17)
        for thing in clip.scene.objects:
            path = centres(thing, times)
            near = min(
                seen.things,
                key=lambda found: np.hypot(found.blobs[0].x - path[0, 0], found.blobs[0].y - path[0, 1]),
            )
            boxes = np.array([blob.box for blob in near.blobs])
            assert np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - path).max() < 1.6
            grown = [blob.radius / near.blobs[0].radius for blob in near.blobs]
            assert grown == pytest.approx(list(radii(thing, times) / radii(thing, times)[0]), abs=0.06)


def _lies(said: Claims) -> dict[str, Claims]:
    """For each property the claims with it made wrong."""
    first = said.things[0]
    taken = {thing.shape for thing in said.things}
    colors = {thing.color for thing in said.things}
    lies = {
        "shape": replace(first, shape=next(shape for shape in SHAPES if shape not in taken)),
        "color": replace(first, color=next(color for color in COLORS if color not in colors)),
        "size": replace(first, size="small" if first.size == "large" else "large"),
        "motion": replace(first, motion=next(m for m in MOTIONS if m.name != first.motion.name)),
    }
    wrong = {name: replace(said, things=(thing, *said.things[1:])) for name, thing in lies.items()}
    wrong["background"] = replace(said, background=(said.background[0], not said.background[1]))
    if said.relation:
        opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
        wrong["relation"] = replace(said, relation=opposite[said.relation])
    else:
        wrong["count"] = replace(said, count=said.count % 3 + 1)
    return wrong


def test_finds_every_fault() -> None:
    for index in range(20):
        clip = ShapesWorld("test", seed=5)[index]
        seen = see(clip.frames)
        for name, lie in _lies(claims(clip.scene, FULL)).items():
            assert checks(lie, seen)[name] is False, (clip.dense_caption, name)


@settings(max_examples=12, deadline=None)
@given(index=st.integers(0, 10_000))
def test_mirrored(index: int) -> None:
    clip = ShapesWorld("val")[index]
    there, back = see(clip.frames), see(clip.frames[:, :, ::-1])

    def described(seen, mirrored: bool) -> Counter:
        found = []
        for thing in seen.things:
            direction = thing.motion.direction
            if mirrored and direction:
                direction = " ".join(MIRROR.get(word, word) for word in direction.split())
            found.append((thing.shape, thing.color, thing.size, thing.motion.kind, direction, thing.motion.speed))
        return Counter(found)

    assert described(there, False) == described(back, True)
    assert (there.background, there.gradient) == (back.background, back.gradient)


def test_played_backwards() -> None:
    opposite = {"left": "right", "right": "left", "up": "down", "down": "up"}
    for index in range(25):
        clip = ShapesWorld("val", seed=9)[index]
        wanted = sorted(
            f"{thing.motion.kind} {' '.join(opposite[word] for word in (thing.motion.direction or '').split())}"
            for thing in clip.scene.objects
            if thing.motion.kind == "move"
        )
        seen = see(clip.frames[::-1])
        assert wanted == sorted(f"move {t.motion.direction}" for t in seen.things if t.motion.kind == "move")


def test_size_of_the_picture_does_not_matter() -> None:
    for index in range(6):
        clip = ShapesWorld("val", size=160)[index]
        assert all(checks(claims(clip.scene, FULL), see(clip.frames)).values()), clip.dense_caption


def _seen_motion(path: np.ndarray) -> Motion | None:
    """The motion of a red circle whose centre takes this path [T, 2]."""
    frames = [
        render(Scene((Thing("circle", "red", "small", Motion("static"), x, y),), None, "white", False), 1, 64)[0]
        for x, y in path
    ]
    (thing,) = see(np.stack(frames)).things
    return thing.motion


def test_irregular_motions_are_no_motions() -> None:
    time = np.arange(17)
    zigzag = np.stack([30 + 8.0 * (time % 2), np.full(17, 30)], axis=1)
    assert _seen_motion(zigzag) == IRREGULAR
    turn = np.stack([20 + 1.8 * np.minimum(time, 16 - time), np.full(17, 30)], axis=1)
    assert _seen_motion(turn) == IRREGULAR  # far from any wall
    bounce = np.stack([56.5 - 1.8 * np.abs(time - 8), np.full(17, 30)], axis=1)
    assert _seen_motion(bounce) == Motion("bounce", "right")
    shaky = np.random.default_rng(0).normal(30, 0.5, (17, 2))
    assert _seen_motion(shaky) == Motion("static")


def test_what_resembles_nothing_is_unclear() -> None:
    frames = np.full((9, 64, 64, 3), 244, np.uint8)
    frames[:, 10:30, 10:30] = 90  # grey
    for step in range(-14, 15):  # a diagonal red stroke
        frames[:, 40 + step // 2 : 44 + step // 2, 40 + step : 42 + step] = COLOR_RGB["red"]
    grey, stroke = see(frames).things
    assert (grey.shape, grey.color, grey.size) == ("square", "unclear", "large")
    assert (stroke.shape, stroke.color) == ("unclear", "red")


def test_videos_of_nothing() -> None:
    random = np.random.default_rng(0)
    said = Claims((ThingClaim("circle", "red", None, Motion("static")),))
    for frames in (
        np.full((17, 64, 64, 3), 130, np.uint8),
        np.zeros((17, 64, 64, 3), np.uint8),
        random.integers(0, 256, (17, 64, 64, 3), dtype=np.uint8),
        random.integers(0, 256, (2, 33, 47, 3), dtype=np.uint8),
    ):
        seen = see(frames)
        assert not seen.things
        assert not any(checks(said, seen).values())


def test_pictures_and_flickering_objects() -> None:
    clip = ShapesWorld("val")[0]
    still = see(clip.frames[:1])
    found = checks(claims(clip.scene, FULL), still)
    assert len(still.things) == len(clip.scene.objects)
    assert found["motion"] is None
    assert found["shape"]
    frames = clip.frames.copy()
    frames[3:] = frames[0, 0, 0]  # the object is gone after three frames
    assert not see(frames).things


def test_relation_score() -> None:
    def blob(left: float, top: float, side: float = 10) -> Blob:
        return Blob(left + side / 2, top + side / 2, side / 2, "red", (1.0,) * 5, (left, top, left + side, top + side))

    middle = blob(30, 30)
    assert relation_score(blob(10, 30), middle, "left of") == 1
    assert relation_score(blob(10, 30), middle, "right of") == 0
    assert relation_score(blob(10, 5), middle, "left of") == 0  # farther above than beside
    assert relation_score(blob(10, 5), middle, "above") == 1
    overlap = 0.5 / 1.5
    assert relation_score(blob(25, 30), middle, "left of") == pytest.approx(0.1 / overlap)
