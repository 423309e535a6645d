"""The world is the same for everybody, keeps its promises about splits, and its videos show what its scenes say."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nova_bench.shapes import Motion, Scene, ShapesWorld, Thing
from nova_bench.shapes.geometry import EXTENT, centres, mean_flow, radii
from nova_bench.shapes.rendering import COLOR_RGB, render
from nova_bench.shapes.sampling import SPLITS, is_held_out
from nova_bench.shapes.scene import BACKGROUNDS, COLORS, MOTIONS, RADIUS, SHAPES, SIDE

INDEX = st.integers(0, 999_999)
SPLIT = st.sampled_from(SPLITS)


def _digest(world: ShapesWorld, indices: range) -> str:
    content = hashlib.sha256()
    for index in indices:
        clip = world[index]
        content.update(clip.scene.to_json().encode())
        content.update(f"{clip.caption}\n{clip.dense_caption}".encode())
        content.update(clip.frames.tobytes())
    return content.hexdigest()[:16]


def test_the_same_bytes_as_ever() -> None:
    """What was trained on this world belongs to it. Where this changes, ``world.VERSION`` must change too."""
    assert _digest(ShapesWorld("train"), range(20)) == "4ba5bd09c5fc3bc2"
    assert _digest(ShapesWorld("test", seed=7, num_frames=33, size=96), range(10)) == "db3d49fe1a38b54b"


@settings(max_examples=30, deadline=None)
@given(split=SPLIT, seed=st.integers(0, 2**40), indices=st.lists(INDEX, min_size=2, max_size=4))
def test_random_access(split: str, seed: int, indices: list[int]) -> None:
    """A video depends on split, seed and index: not on what was looked at before, the length asked for, or pickling."""
    world = ShapesWorld(split, seed)
    forward = [world[index] for index in indices]
    again = [pickle.loads(pickle.dumps(world))[index] for index in reversed(indices)][::-1]
    for clip, other in zip(forward, again, strict=True):
        assert clip == other
        assert (clip.caption, clip.flow) == (other.caption, other.flow)
        assert np.array_equal(clip.frames, other.frames)


@settings(max_examples=20, deadline=None)
@given(split=SPLIT, index=INDEX)
def test_longer_videos_go_on(split: str, index: int) -> None:
    short, long = ShapesWorld(split)[index], ShapesWorld(split, num_frames=49)[index]
    assert short.frames.shape == (17, 64, 64, 3)
    assert short.frames.dtype == np.uint8
    assert np.array_equal(long.frames[:17], short.frames)
    assert (long.scene, long.caption) == (short.scene, short.caption)


@settings(max_examples=50, deadline=None)
@given(split=SPLIT, index=INDEX)
@example(split="test", index=1710)
def test_objects_stay_in_the_picture_and_apart(split: str, index: int) -> None:
    """A unit from the edge, but for what grows: that has room for a large object, and ends a little larger."""
    scene = ShapesWorld(split)[index].scene
    frames = np.arange(201)
    boxes = []
    for thing in scene.objects:
        half = np.array(EXTENT[thing.shape]) * radii(thing, frames)[:, None]
        middle = centres(thing, frames)
        boxes.append((middle - half, middle + half))
        larger = max(0.0, radii(thing, frames).max() - RADIUS["large"]) * np.array(EXTENT[thing.shape])
        assert (boxes[-1][0] + larger).min() > 0.9
        assert (boxes[-1][1] - larger).max() < SIDE - 0.9
        assert boxes[-1][0].min() > 0
        assert boxes[-1][1].max() < SIDE
    for place, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[:place]:
            gap = np.maximum(low - other_high, other_low - high).max(axis=1)
            assert gap[:17].min() > 3.9


def test_scene_survives_json() -> None:
    for split in SPLITS:
        for index in range(100):
            scene = ShapesWorld(split)[index].scene
            assert Scene.from_json(scene.to_json()) == scene


def test_held_out_rule() -> None:
    """One colour for each shape and motion; so training has every pair of shape, colour and motion."""
    held = {(s, c, m) for s in SHAPES for c in COLORS for m in MOTIONS if is_held_out(s, c, m)}
    assert len(held) == len(SHAPES) * len(MOTIONS)
    assert len({(s, m) for s, _, m in held}) == len(held)
    free = {(s, c, m) for s in SHAPES for c in COLORS for m in MOTIONS} - held
    assert {(s, c) for s, c, _ in free} == {(s, c) for s in SHAPES for c in COLORS}
    assert {(s, m) for s, _, m in free} == {(s, m) for s in SHAPES for m in MOTIONS}
    assert {(c, m) for _, c, m in free} == {(c, m) for c in COLORS for m in MOTIONS}


@pytest.mark.parametrize("split", SPLITS)
def test_splits_share_no_combination(split: str) -> None:
    expected = split == "test"
    scenes = [ShapesWorld(split, seed)[index].scene for seed in (0, 1) for index in range(600)]
    for scene in scenes:
        for thing in scene.objects:
            motion = Motion(thing.motion.kind, thing.motion.direction)
            assert is_held_out(thing.shape, thing.color, motion) == expected
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)
    assert {thing.shape for scene in scenes for thing in scene.objects} == set(SHAPES)
    assert {thing.color for scene in scenes for thing in scene.objects} == set(COLORS)
    assert {thing.motion.name for scene in scenes for thing in scene.objects} == {motion.name for motion in MOTIONS}


def test_no_test_caption_occurs_in_training() -> None:
    captions = {}
    for split in ("train", "test"):
        clips = [ShapesWorld(split)[index] for index in range(1500)]
        captions[split] = {text for clip in clips for text in (clip.caption, clip.dense_caption)}
    assert not captions["train"] & captions["test"]


def test_documented_shares() -> None:
    scenes = [ShapesWorld()[index].scene for index in range(3000)]
    single = sum(len(scene.objects) == 1 for scene in scenes) / len(scenes)
    pairs = sum(scene.relation is not None for scene in scenes) / len(scenes)
    assert single == pytest.approx(0.60, abs=0.03)
    assert pairs == pytest.approx(0.27, abs=0.03)
    assert sum(scene.gradient for scene in scenes) / len(scenes) == pytest.approx(0.2, abs=0.025)


def _square(motion: Motion, size: str = "small") -> Scene:
    return Scene((Thing("square", "red", size, motion, 20.0, 30.0),), None, "white", False)


@pytest.mark.parametrize("size", [64, 128])
def test_pixels_are_where_the_scene_says(size: int) -> None:
    frames = render(_square(Motion("move", "right", "fast")), 11, size).astype(float)
    red = np.abs(frames - np.array(COLOR_RGB["red"])).sum(-1) < 3
    for time in (0, 10):
        ys, xs = np.nonzero(red[time])
        scale = size / SIDE
        # Fully covered pixels of a square of half side 0.9 * 6.5 about (20 + 1.8 t, 30).
        assert (xs.min() + xs.max() + 1) / 2 == pytest.approx((20 + 1.8 * time) * scale, abs=0.6)
        assert (ys.min() + ys.max() + 1) / 2 == pytest.approx(30 * scale, abs=0.6)
        assert xs.max() - xs.min() + 1 == pytest.approx(2 * 0.9 * 6.5 * scale, abs=2)


@pytest.mark.parametrize("shape", SHAPES)
def test_antialiasing_keeps_the_area(shape: str) -> None:
    """The picture's mean changes smoothly: a shape between pixels covers as much as one on them."""
    covers = []
    for shift in (0.0, 0.25, 0.5):
        scene = Scene((Thing(shape, "blue", "large", Motion("static"), 30 + shift, 31 - shift),), None, "white", False)
        covers.append(float((244.0 - render(scene, 1, 64)[..., 0]).sum()))
    assert max(covers) / min(covers) < 1.01


def test_flow() -> None:
    still, fast = _square(Motion("static")), _square(Motion("move", "right", "fast"))
    assert mean_flow(still, 17, 64) == 0
    assert mean_flow(fast, 1, 64) == 0
    expected = (2 * 0.9 * 6.5) ** 2 * 1.8 / 64**2
    assert mean_flow(fast, 17, 64) == pytest.approx(expected, rel=0.01)
    assert mean_flow(fast, 17, 128) == pytest.approx(2 * expected, rel=0.01)
    assert 0 < mean_flow(_square(Motion("grow")), 17, 64) < expected


def test_arguments() -> None:
    world = ShapesWorld(length=5)
    assert len(world) == 5
    assert world[-1] == world[4]
    assert len(list(world)) == 5
    with pytest.raises(IndexError, match="5 of 5"):
        world[5]
    with pytest.raises(ValueError, match="train, val, test"):
        ShapesWorld("dev")
    with pytest.raises(ValueError, match="num_frames"):
        ShapesWorld(num_frames=0)
