"""Renders a scene to pixels: colours and coverage, exact and antialiased.

Outlines are signed distances, so a pixel's coverage is that of a straight edge through it (exact to a few levels).
Pixels depend only on additions, products, square roots and comparisons: the same bytes on every machine.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from nova_bench.shapes.geometry import EXTENT, centres, distance, radii
from nova_bench.shapes.scene import SIDE, Scene

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
"""Background -> its colour at the bottom if it is a gradient; the top has the plain colour."""


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
        # Pixel centres are half a pixel off the pixel's corner.
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
