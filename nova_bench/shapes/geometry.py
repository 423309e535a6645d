"""Outlines of things as signed distances, and the laws of their positions and sizes over time."""

from __future__ import annotations

from functools import cache
from math import cos, pi, sin

import numpy as np

from nova_bench.shapes.scene import DIRECTIONS, GROWTH, RADIUS, SIDE, SPEED, WALL_GAP, Scene, Thing

EXTENT = {
    "circle": (1.0, 1.0),
    "square": (0.9, 0.9),
    "triangle": (1.26, 1.09),
    "star": (1.52, 1.45),
    "cross": (1.2, 1.2),
}
"""Shape -> half width and half height of its bounding box, in radii."""
_TRIANGLE, _STAR, _ARM = 1.45, 1.6, 0.4
_DEGREE = pi / 180
_STAR_NORMALS = [(cos(angle * _DEGREE), sin(angle * _DEGREE)) for angle in (-90, -18, 54, 126, 198)]


def distance(shape: str, x: np.ndarray, y: np.ndarray, radius: np.ndarray | np.float64) -> np.ndarray:
    """Signed distance to the outline (negative inside) of points relative to the bounding box's centre.

    All arguments broadcast; x, y and radius share one unit. Outside of corners the distance is a lower bound, which
    keeps corners sharp.
    """
    if shape == "circle":
        return np.sqrt(x * x + y * y) - radius
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) - 0.9 * radius
    if shape == "triangle":
        outer, inner = _TRIANGLE * radius, _TRIANGLE / 2 * radius
        y = y - outer / 4  # from the box's centre to the centroid
        return np.maximum(np.abs(x) * cos(30 * _DEGREE) - y * sin(30 * _DEGREE), y) - inner
    if shape == "cross":
        x, y = np.abs(x), np.abs(y)
        near, far = np.minimum(x, y), np.maximum(x, y)
        return np.maximum(near - _ARM * radius, far - 1.2 * radius)
    # A pentagram: the points beyond at most one of the five lines through its edges.
    y = y - (_STAR - 1.45) * radius
    lines = np.stack([x * a + y * b for a, b in _STAR_NORMALS])
    return np.partition(lines, 3, axis=0)[3] - _STAR * cos(72 * _DEGREE) * radius


@cache
def moments(shape: str) -> tuple[float, float]:
    """Area, and mean distance of its points from the box's centre, of a shape of radius 1."""
    axis = np.linspace(-1.6, 1.6, 641)
    x, y = axis[None, :], axis[:, None]
    inside = distance(shape, x, y, np.float64(1.0)) < 0
    return float(inside.sum() * (axis[1] - axis[0]) ** 2), float(np.hypot(x, y)[inside].mean())


def radii(thing: Thing, frames: np.ndarray) -> np.ndarray:
    """Radius in world units at each frame number (any shape)."""
    progress = np.minimum(np.asarray(frames, dtype=np.float64) / 16, 1.0)
    end = {"grow": GROWTH, "shrink": 1 / GROWTH}.get(thing.motion.kind, 1.0)
    return RADIUS[thing.size] * (1 + (end - 1) * progress)


def velocity(thing: Thing) -> tuple[float, float]:
    """Initial velocity in units per frame."""
    if thing.motion.direction is None:
        return 0.0, 0.0
    across, down = DIRECTIONS[thing.motion.direction]
    speed = SPEED[thing.motion.speed or "fast"]
    component = speed / 2**0.5 if across and down else speed
    return across * component, down * component


def half_box(shape: str, size: str) -> tuple[float, float]:
    """Half width and half height of an object's bounding box in frame 0, in world units."""
    width, height = EXTENT[shape]
    return width * RADIUS[size], height * RADIUS[size]


def centres(thing: Thing, frames: np.ndarray) -> np.ndarray:
    """Centre [..., 2] (x, y) at each frame number: straight lines, reflected by the walls."""
    frames = np.asarray(frames, dtype=np.float64)
    places = []
    for start, speed, half in zip((thing.x, thing.y), velocity(thing), half_box(thing.shape, thing.size), strict=True):
        low, room = WALL_GAP + half, SIDE - 2 * (WALL_GAP + half)
        way = (start - low + speed * frames) % (2 * room) if speed else np.full(frames.shape, start - low)
        places.append(low + np.where(way > room, 2 * room - way, way))
    return np.stack(places, axis=-1)


def mean_flow(scene: Scene, num_frames: int, size: int) -> float:
    """Mean length in pixels of the true optical flow between consecutive frames, over all pixels and pairs of frames.

    The background is at rest; an object's points move with it, those of a growing object away from its centre. NOVA
    uses this quantity as its motion condition (measured there with OpenCV's dense flow). 0 for one frame.
    """
    if num_frames < 2:
        return 0.0
    frames = np.arange(num_frames)
    total = 0.0
    for thing in scene.objects:
        area, reach = moments(thing.shape)
        radius = radii(thing, frames)
        steps = np.hypot(*np.diff(centres(thing, frames), axis=0).T) + reach * np.abs(np.diff(radius))
        total += float((area * radius[:-1] ** 2 * steps).mean())
    return total / SIDE**2 * size / SIDE
