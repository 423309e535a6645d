"""Random scenes, and the rule that keeps combinations out of training.

Distribution over scenes (see also README.md beside this file):

- 60 % one object: of these 15 % static, 50 % moving in one of 8 directions, 13 % bouncing off a wall, 11 % growing and
  11 % shrinking.
- 27 % two objects of different shape and colour, one <relation> the other, each static (40 %) or moving; draws with
  motions that can't keep the relation are drawn again.
- 13 % a group of two (60 %) or three small copies, static (30 %) or moving together.
- With ``scenes`` all are of that kind.
- Background uniform over four colours; 20 % are gradients from top to bottom. Sizes: uniform for one object, 60 % small
  in pairs; a growing object is small and a shrinking one large at first. Speeds uniform.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

from nova_bench.shapes.geometry import half_box, velocity
from nova_bench.shapes.scene import (
    BACKGROUNDS,
    CAPTION_FRAMES,
    COLORS,
    DIRECTIONS,
    MOTIONS,
    RELATIONS,
    SHAPES,
    SIDE,
    SIZES,
    SPEED,
    SPEEDS,
    WALL_GAP,
    WALL_OF,
    Motion,
    Scene,
    Thing,
)

Item = TypeVar("Item")

SPLITS = ("train", "val", "test")
SCENES = ("single", "pair", "group")
_HOLDOUT = len(COLORS)
_GAP = 4.0  # minimum distance between bounding boxes
_SLANT = 1.2  # how much farther apart two objects are along their relation's axis than across it
_TRIES = 40
_MOTION_INDEX = {motion.name: index for index, motion in enumerate(MOTIONS)}


def is_held_out(shape: str, color: str, motion: Motion) -> bool:
    """Whether an object of this shape, colour and motion (speed aside) never occurs in training.

    One colour in eight for each shape and motion, by a fixed rule: (colour + 3 shape + 5 motion) mod 8 = 0 with their
    indices in ``COLORS``, ``SHAPES`` and ``MOTIONS``. So every pair of shape, colour and motion occurs in training.
    """
    return _held_out_color(shape, motion) == color


def _held_out_color(shape: str, motion: Motion) -> str:
    return COLORS[-(3 * SHAPES.index(shape) + 5 * _MOTION_INDEX[motion.name]) % _HOLDOUT]


def random_scene(random: Random, split: str, scenes: str | None = None) -> Scene:
    """One scene. In "test" all objects are held-out combinations; in "train" and "val" none are.

    ``scenes`` is one of ``SCENES``, or None for all of them. Only ``random.random()`` is used, which
    Python promises never to change.
    """
    background, gradient = _pick(random, BACKGROUNDS), random.random() < 0.2
    kind = scenes or SCENES[_weighted(random, (60, 27, 13))]
    place = {"single": _single, "pair": _pair, "group": _group}[kind]
    while True:
        objects, relation = place(random, split)
        if objects:
            return Scene(objects, relation, background, gradient)


def _single(random: Random, split: str) -> tuple[tuple[Thing, ...], None]:
    kind = ("static", "move", "bounce", "grow", "shrink")[_weighted(random, (15, 50, 13, 11, 11))]
    motion = _motion(random, kind)
    shape, color = _look(random, split, motion)
    size = {"grow": "small", "shrink": "large"}.get(kind) or _pick(random, SIZES)
    return (_start(random, shape, color, size, motion),), None


def _pair(random: Random, split: str) -> tuple[tuple[Thing, ...], str]:
    relation = _pick(random, RELATIONS)
    looks = []
    for _ in range(2):
        motion = _motion(random, "static" if random.random() < 0.4 else "move")
        shape, color = _look(random, split, motion)
        looks.append((shape, color, "small" if random.random() < 0.6 else "large", motion))
    (shape, color, *_), (other_shape, other_color, *_) = looks
    if shape != other_shape and color != other_color:
        for _ in range(_TRIES):
            first, second = (_start(random, *look) for look in looks)
            if _keeps(first, second, relation):
                return (first, second), relation
    return (), relation


def _group(random: Random, split: str) -> tuple[tuple[Thing, ...], None]:
    count = 2 if random.random() < 0.6 else 3
    motion = _motion(random, "static" if random.random() < 0.3 else "move")
    shape, color = _look(random, split, motion)
    things: list[Thing] = []
    for _ in range(_TRIES):
        thing = _start(random, shape, color, "small", motion)
        if all(_apart(thing, other) for other in things):
            things.append(thing)
        if len(things) == count:
            return tuple(things), None
    return (), None


def _motion(random: Random, kind: str) -> Motion:
    if kind == "move":
        return Motion(kind, _pick(random, tuple(DIRECTIONS)), _pick(random, SPEEDS))
    return Motion(kind, _pick(random, tuple(WALL_OF)) if kind == "bounce" else None)


def _look(random: Random, split: str, motion: Motion) -> tuple[str, str]:
    shape = _pick(random, SHAPES)
    held_out = _held_out_color(shape, motion)
    if split == "test":
        return shape, held_out
    return shape, _pick(random, [color for color in COLORS if color != held_out])


def _start(random: Random, shape: str, color: str, size: str, motion: Motion) -> Thing:
    """An object at a position from which its motion stays in the picture, or meets the wall in frame 6 to 10."""
    thing = Thing(shape, color, size, motion, 0.0, 0.0)
    widest = "large" if motion.kind == "grow" else size
    place = []
    for speed, half in zip(velocity(thing), half_box(shape, widest), strict=True):
        low, high = WALL_GAP + half, SIDE - WALL_GAP - half
        if motion.kind == "bounce" and speed:
            way = SPEED["fast"] * (6 + 4 * random.random())
            place.append(high - way if speed > 0 else low + way)
        else:
            way = speed * (CAPTION_FRAMES - 1)
            low, high = low - min(way, 0), high - max(way, 0)
            place.append(low + (high - low) * random.random())
    return Thing(shape, color, size, motion, *(round(value, 3) for value in place))


def _keeps(first: Thing, second: Thing, relation: str) -> bool:
    """Whether two objects keep their distance and relation in all of the caption's frames (checking both ends is
    enough: the distances are concave functions of time)."""
    axis = 0 if relation in ("left of", "right of") else 1
    sign = 1 if relation in ("left of", "above") else -1
    halves = half_box(first.shape, first.size)[axis] + half_box(second.shape, second.size)[axis]
    (ax, ay), (bx, by) = velocity(first), velocity(second)
    for time in (0, CAPTION_FRAMES - 1):
        offsets = (second.x - first.x + (bx - ax) * time, second.y - first.y + (by - ay) * time)
        along = sign * offsets[axis]
        if along < halves + _GAP or along < _SLANT * abs(offsets[1 - axis]):
            return False
    return True


def _apart(first: Thing, second: Thing) -> bool:
    width, height = half_box(first.shape, first.size)
    return abs(first.x - second.x) >= 2 * width + _GAP or abs(first.y - second.y) >= 2 * height + _GAP


def _pick(random: Random, items: Sequence[Item]) -> Item:
    return items[int(random.random() * len(items))]


def _weighted(random: Random, weights: Sequence[int]) -> int:
    bounds = list(accumulate(weights))
    return bisect(bounds, random.random() * bounds[-1])
