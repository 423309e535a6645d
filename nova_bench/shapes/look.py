"""What things look like: colours, outlines, and the laws by which positions and sizes change. Exact and antialiased.

Outlines are signed distances, so a pixel's coverage is that of a straight edge through it (exact to a few levels).
Only additions, products, square roots and comparisons touch pixels: the same bytes on every machine.
"""

from __future__ import annotations

from functools import cache
from math import cos, pi, sin

import numpy as np

from nova_bench.shapes.scene import DIRECTIONS, GROWTH, RADIUS, SIDE, SPEED, WALL_GAP, Scene, Thing

COLOR_RGB = {
    "red": (220, 38, 38),
    "orange": (249, 128, 20),
    "yellow": (250, 214, 40),
    "green": (30, 158, 70),
    "cyan": (40, 196, 214),
    "blue": (36, 84, 220),
    "purple": (124, 48, 176),
    "pink": (246, 128, 188),
}
BACKGROUND_RGB = {"white": (244, 244, 242), "gray": (132, 134, 138), "black": (18, 18, 22), "beige": (222, 206, 172)}
GRADIENT_RGB = {"white": (186, 188, 196), "gray": (84, 86, 94), "black": (70, 72, 82), "beige": (168, 148, 112)}
"""Background -> its colour at the bottom where it shades off; the top has the plain colour."""

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


def distance(shape: str, x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Signed distance to the outline (inside negative) of points relative to the bounding box's centre.

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
    """Centre [..., 2] (x, y) at each frame number: straight lines, thrown back by the walls like light by mirrors."""
    frames = np.asarray(frames, dtype=np.float64)
    places = []
    for start, speed, half in zip((thing.x, thing.y), velocity(thing), half_box(thing.shape, thing.size), strict=True):
        low, room = WALL_GAP + half, SIDE - 2 * (WALL_GAP + half)
        way = (start - low + speed * frames) % (2 * room) if speed else np.full(frames.shape, start - low)
        places.append(low + np.where(way > room, 2 * room - way, way))
    return np.stack(places, axis=-1)


def mean_flow(scene: Scene, num_frames: int, size: int) -> float:
    """Mean length in pixels of the true optical flow between consecutive frames, over all pixels and pairs of frames.

    The background is at rest; an object's points move with it, those of a growing object away from its centre. This is
    the quantity that NOVA takes as its motion condition (there measured with OpenCV's dense flow). 0 for one frame.
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


def render(scene: Scene, num_frames: int, size: int) -> np.ndarray:
    """Frames of a scene: uint8 RGB [num_frames, size, size, 3]."""
    scale = size / SIDE
    margin = int(2 * scale) + 2
    frames = np.arange(num_frames)
    canvas = np.empty((num_frames, size + 2 * margin, size + 2 * margin, 3), dtype=np.float32)
    canvas[:] = _backdrop(scene.background, scene.gradient, size, margin)
    for thing in scene.objects:
        radius, middle = radii(thing, frames) * scale, centres(thing, frames) * scale
        width, height = (2 * int(np.ceil(half * radius.max())) + 4 for half in EXTENT[thing.shape])
        left = np.floor(middle[:, 0]).astype(int) - width // 2
        top = np.floor(middle[:, 1]).astype(int) - height // 2
        # Pixel centres lie half a pixel off the pixel's corner.
        x = (left - middle[:, 0] + 0.5)[:, None, None] + np.arange(width)[None, None, :]
        y = (top - middle[:, 1] + 0.5)[:, None, None] + np.arange(height)[None, :, None]
        inside = distance(thing.shape, x.astype(np.float32), y.astype(np.float32), radius[:, None, None].astype("f4"))
        cover = np.clip(0.5 - inside, 0, 1)[..., None]
        color = np.array(COLOR_RGB[thing.color], dtype=np.float32)
        for index in range(num_frames):
            row, column = margin + top[index], margin + left[index]
            patch = canvas[index, row : row + height, column : column + width]
            patch += cover[index] * (color - patch)
    return (canvas[:, margin:-margin, margin:-margin] + np.float32(0.5)).astype(np.uint8)


@cache
def _backdrop(name: str, gradient: bool, size: int, margin: int) -> np.ndarray:
    """Background colours [size + 2 margin, 1, 3]."""
    top = np.array(BACKGROUND_RGB[name], dtype=np.float32)
    bottom = np.array(GRADIENT_RGB[name] if gradient else BACKGROUND_RGB[name], dtype=np.float32)
    share = np.clip((np.arange(size + 2 * margin) - margin) / (size - 1), 0, 1).astype(np.float32)
    return (top + share[:, None] * (bottom - top))[:, None, :]
