"""Finds the objects in a picture: background, colours by unmixing, outlines by comparison. No learned part.

Thresholds are tolerant on purpose: pictures from small models are soft and their colours are off.
``benchmarks/shapes_judge.py`` measures the cost of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from nova_bench.shapes.geometry import EXTENT, distance, moments
from nova_bench.shapes.rendering import BACKGROUND_RGB, COLOR_RGB
from nova_bench.shapes.scene import COLORS, SHAPES, SIDE

GRID = int(SIDE)
UNCLEAR = "unclear"
"""Shape or colour of an object that resembles none of those in the world."""

_SOLID = 0.4  # minimum coverage of a pixel that belongs to an object
_CONTRAST = 26.0  # minimum distance from the background in RGB levels
_FAINT = 0.08  # below this share of an object's coverage a pixel is background noise
_SMALLEST = 40  # pixels; the smallest object of the world covers about 110
_FRINGE = 0.35  # a blob this much smaller than its neighbour is its fringe, not an object
_SHADE = 24.0  # minimum mean difference of top and bottom of a gradient, in levels
_BLURS = (0.5, 1.2, 2.0, 2.8)  # of the outlines used for comparing shapes, in pixels
_MIDDLES = np.arange(GRID) + 0.5  # of pixels
_UNLIKE = 0.8  # a fit below this is not a shape of the world (true ones: above 0.9 even if outlines wobble)
_OFF_COLOR = 32.0  # farther from the nearest colour than this is none of them (true ones: below 25)
_TINT = np.array([0.5, 1.0, 1.0], dtype=np.float32)  # when naming colours, lightness counts half


@dataclass(frozen=True)
class Blob:
    """One object in one frame; lengths in world units.

    x, y: centroid. radius: of a circle of the same area. color: one of ``COLORS`` or ``UNCLEAR``. shapes: how well each
    of ``SHAPES`` fits, in [0, 1]. box: left, top, right, bottom of the part that is at least half covered.
    """

    x: float
    y: float
    radius: float
    color: str
    shapes: tuple[float, ...]
    box: tuple[float, float, float, float]

    @property
    def shape(self) -> str:
        """The best-fitting shape, or ``UNCLEAR``."""
        return shape_name(self.shapes)


def on_grid(frames: np.ndarray) -> np.ndarray:
    """uint8 RGB [T, H, W, 3] as float32 [T, 64, 64, 3], the size at which the judge sees everything."""
    if frames.shape[1:3] != (GRID, GRID):
        shrinks = min(frames.shape[1:3]) >= GRID
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        frames = np.stack([cv2.resize(frame, (GRID, GRID), interpolation=way) for frame in frames])
    return frames.astype(np.float32)


def background_of(frames: np.ndarray) -> np.ndarray:
    """Background [T, 64, 1, 3] of float32 [T, 64, 64, 3]: per frame a straight line in y through the picture's border.

    Rows with an object at the border are found by their distance from the line and left out.
    """
    rim = np.concatenate([frames[:, :, :2], frames[:, :, -2:]], axis=2)
    rows = np.median(rim, axis=2)
    rows[:, 0], rows[:, -1] = np.median(frames[:, 0], axis=1), np.median(frames[:, -1], axis=1)
    height = np.linspace(-1, 1, GRID)
    design = np.stack([np.ones(GRID), height], axis=1)
    # Theil-Sen start: medians of the halves' rows are insensitive to most objects.
    slope = np.median(rows[:, GRID // 2 :] - rows[:, : GRID // 2], axis=1)[:, None]
    level = np.median(rows - slope * height[:, None], axis=1)[:, None]
    fitted = level + slope * height[:, None]
    for _ in range(3):
        off = np.linalg.norm(rows - fitted, axis=-1)
        weight = (off < np.maximum(12.0, 2.5 * np.median(off, axis=1, keepdims=True))).astype(np.float64)
        moment = np.einsum("tr,ri,rj->tij", weight, design, design) + 1e-6 * np.eye(2)
        line = np.linalg.solve(moment, np.einsum("tr,ri,trc->tic", weight, design, rows))
        fitted = np.einsum("ri,tic->trc", design, line)
    return fitted.astype(np.float32)[:, :, None]


def name_background(background: np.ndarray) -> tuple[str, bool]:
    """Colour name and whether it is a gradient, for [T, 64, 1, 3]."""
    top, bottom = np.median(background[:, 0, 0], axis=0), np.median(background[:, -1, 0], axis=0)
    off = {name: np.linalg.norm(_lab(top) - _lab(rgb)) for name, rgb in BACKGROUND_RGB.items()}
    return min(off, key=off.__getitem__), bool(np.abs(top - bottom).mean() > _SHADE)


def blobs_of(frames: np.ndarray, background: np.ndarray) -> list[list[Blob]]:
    """The objects of every frame of float32 [T, 64, 64, 3] before ``background`` [T, 64, 1, 3]."""
    calm = np.stack([cv2.GaussianBlur(frame, (3, 3), 0.6) for frame in frames])
    offset = calm - background
    contrast = np.einsum("trcx,trcx->trc", offset, offset)[..., None]
    # A pixel at an object's edge is a mixture of its colour and the background: find the share and how well it fits.
    ways = np.array([COLOR_RGB[color] for color in COLORS], dtype=np.float32) - background  # [T, 64, colours, 3]
    lengths = np.einsum("trkx,trkx->trk", ways, ways)[:, :, None]
    along = offset @ ways.swapaxes(-1, -2)
    covers = np.clip(along / lengths, 0, 1.15)
    misfit = contrast + covers * (covers * lengths - 2 * along)
    label = np.argmin(misfit, axis=-1)
    solid = np.take_along_axis(covers, label[..., None], axis=-1) > _SOLID
    label = np.where((solid & (contrast > _CONTRAST**2))[..., 0], label, -1)
    return [_blobs(frames[index], covers[index], label[index]) for index in range(len(frames))]


def _blobs(frame: np.ndarray, covers: np.ndarray, label: np.ndarray) -> list[Blob]:
    parts: list[tuple[int, np.ndarray]] = []
    for index in np.unique(label[label >= 0]):
        count, numbers, stats, _ = cv2.connectedComponentsWithStats((label == index).astype(np.uint8), connectivity=4)
        parts += [(index, numbers == n) for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] >= 8]
    parts.sort(key=lambda part: -int(part[1].sum()))
    kept: list[tuple[int, np.ndarray]] = []
    for index, mask in parts:
        around = _grown(mask, 1)
        for place, (owner, other) in enumerate(kept):
            if (around & other).any() and mask.sum() < _FRINGE * other.sum():
                kept[place] = (owner, other | mask)
                break
        else:
            kept.append((index, mask))
    kept = [(index, mask) for index, mask in kept if mask.sum() >= _SMALLEST]
    found = []
    for place, (index, mask) in enumerate(kept):
        others = [other for number, (_, other) in enumerate(kept) if number != place]
        found.append(_blob(frame, covers[..., index], mask, others))
    return found


def _blob(frame: np.ndarray, cover: np.ndarray, mask: np.ndarray, others: list[np.ndarray]) -> Blob:
    region = _grown(mask, 3)
    for other in others:
        region &= ~_grown(other, 1)
    region |= mask
    core = float(np.quantile(cover[mask], 0.85))
    soft = np.where(region & (cover >= _FAINT * core), cover / core, 0.0)
    full = np.minimum(soft, 1.0)
    total = float(full.sum())
    x, y = float((full.sum(0) * _MIDDLES).sum() / total), float((full.sum(1) * _MIDDLES).sum() / total)
    ys, xs = np.nonzero(soft >= 0.5)
    box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
    inner = mask & (cover >= 0.9 * core)
    # A soft, small object never reaches full coverage; its area is then that of the coverage itself.
    areas = (total, total * core) if 0.6 < core < 0.97 else (total,)
    return Blob(x, y, (total / np.pi) ** 0.5, _color_name(frame[inner]), _fits(soft, x, y, areas), box)


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=by).astype(bool)


def _lab(rgb: np.ndarray | tuple[float, ...]) -> np.ndarray:
    """CIELAB of RGB levels [..., 3]."""
    levels = np.asarray(rgb, dtype=np.float32).reshape(-1, 1, 3) / 255
    return cv2.cvtColor(np.clip(levels, 0, 1), cv2.COLOR_RGB2LAB).reshape(np.shape(rgb))


@cache
def _palette() -> np.ndarray:
    return _lab(np.array([COLOR_RGB[color] for color in COLORS]))


def _color_name(pixels: np.ndarray) -> str:
    """Name of the median colour of pixels [N, 3], or ``UNCLEAR``."""
    off = np.linalg.norm((_palette() - _lab(np.median(pixels, axis=0))) * _TINT, axis=-1)
    return COLORS[int(np.argmin(off))] if off.min() < _OFF_COLOR else UNCLEAR


def shape_name(fits: np.ndarray | tuple[float, ...]) -> str:
    """The best-fitting shape, given one fit for each of ``SHAPES``, or ``UNCLEAR``."""
    best = int(np.argmax(fits))
    return SHAPES[best] if fits[best] >= _UNLIKE else UNCLEAR


@cache
def _centroid(shape: str) -> float:
    """How far the centroid is below the centre of the bounding box, in radii."""
    axis = np.linspace(-1.6, 1.6, 321)
    inside = distance(shape, axis[None, :], axis[:, None], np.float64(1.0)) < 0
    return float((inside.sum(1) * axis).sum() / inside.sum())


def _fits(soft: np.ndarray, x: float, y: float, areas: tuple[float, ...]) -> tuple[float, ...]:
    """Cosine of a soft mask with each shape of the same centroid, at the best blur and the best of the given areas."""
    length = float(np.linalg.norm(soft))
    fits = []
    for shape in SHAPES:
        best = 0.0
        for area in areas:
            radius = (area / moments(shape)[0]) ** 0.5
            reach = max(EXTENT[shape]) * radius + 6
            columns, rows = np.abs(_MIDDLES - x) < reach, np.abs(_MIDDLES - y) < reach
            across, down = (_MIDDLES[columns] - x)[None, :], (_MIDDLES[rows] - y)[:, None] + _centroid(shape) * radius
            sharp = np.clip(0.5 - distance(shape, across, down, np.float64(radius)), 0, 1)
            seen = soft[np.ix_(rows, columns)]
            for blur in _BLURS:
                model = cv2.GaussianBlur(sharp, (0, 0), blur, borderType=cv2.BORDER_CONSTANT)
                best = max(best, float(np.vdot(seen, model) / np.sqrt(np.vdot(model, model))) / length)
        fits.append(best)
    return tuple(fits)
