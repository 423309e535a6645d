"""Objects over time: links blobs of consecutive frames to tracks, and classifies each track's motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from nova_bench.shapes.scene import DIRECTIONS, GROWTH, SIDE, SPEED, Motion
from nova_bench.shapes.segment import Blob

MOTION_FRAMES = 5
"""With fewer frames than this, motion can't be judged."""
IRREGULAR = Motion("irregular")
"""A track that neither rests nor moves in a straight line nor bounces off a wall: it jumps, or turns in mid-picture."""

_REACH = 12.0  # farthest step from frame to frame in units
_PATIENCE = 4  # frames for which an object may be missing
_STATIC = SPEED["slow"] / 2
_FAST = (SPEED["slow"] * SPEED["fast"]) ** 0.5
_GROWN = GROWTH**0.5
_BOUNCE_SPEED = 0.45  # minimum speed before and after
_BENT = 0.2  # a bounce must fit the path this much better than a straight line (ratio of sums of squares)
_WALL_REACH = 8.0  # how near to its wall a bouncing object must appear (tips of soft stars are invisible)
_JITTER = 2.0  # root mean square distance from the path, in units, beyond which a motion is irregular


@dataclass(frozen=True)
class Track:
    """One object over time: for every frame a blob, or None if it wasn't seen."""

    blobs: tuple[Blob | None, ...]

    @property
    def seen(self) -> list[Blob]:
        """The blobs without the gaps."""
        return [blob for blob in self.blobs if blob]


def link(frames: Sequence[Sequence[Blob]]) -> list[Track]:
    """Tracks of the blobs of consecutive frames, first seen first. Every blob belongs to one track."""
    tracks: list[list[Blob | None]] = []
    last: list[tuple[int, Blob]] = []
    for time, blobs in enumerate(frames):
        cost = np.array([[_cost(before, blob, time - when) for blob in blobs] for when, before in last])
        pairs = zip(*linear_sum_assignment(cost), strict=True) if cost.size else ()
        linked = {column: row for row, column in pairs if cost[row, column] < 1e3}
        for column, blob in enumerate(blobs):
            row = linked.get(column)
            if row is None:
                tracks.append([None] * len(frames))
                last.append((time, blob))
                row = len(tracks) - 1
            tracks[row][time] = blob
            last[row] = (time, blob)
    return [Track(tuple(track)) for track in tracks]


def _cost(before: Blob, blob: Blob, pause: int) -> float:
    way = float(np.hypot(blob.x - before.x, blob.y - before.y))
    if pause > _PATIENCE or way > _REACH * pause**0.5:
        return 1e6
    return way + 6.0 * (blob.color != before.color) + 3.0 * (blob.shape != before.shape)


def motion_of(track: Track) -> Motion | None:
    """Motion of a track, speed included; None if it was seen in fewer than ``MOTION_FRAMES`` frames."""
    times = np.array([time for time, blob in enumerate(track.blobs) if blob], dtype=np.float64)
    if len(times) < MOTION_FRAMES:
        return None
    seen = track.seen
    places = np.array([(blob.x, blob.y) for blob in seen])
    slope, level = np.polyfit(times, [blob.radius for blob in seen], 1)
    growth = 1 + 16 * slope / max(level, 1.0)
    if growth > _GROWN:
        return Motion("grow")
    if growth < 1 / _GROWN:
        return Motion("shrink")
    line = np.polyfit(times, places, 1)
    off = places - (times[:, None] * line[0] + line[1])
    if turn := _turn(track, times, places, (off**2).sum(axis=0)):
        return turn
    if np.sqrt((off**2).sum(axis=1).mean()) > _JITTER:
        return IRREGULAR
    speed = float(np.hypot(*line[0]))
    if speed < _STATIC:
        return Motion("static")
    heading = line[0] / speed
    direction = max(DIRECTIONS, key=lambda name: np.dot(heading, DIRECTIONS[name]) / np.hypot(*DIRECTIONS[name]))
    return Motion("move", direction, "fast" if speed > _FAST else "slow")


def _turn(track: Track, times: np.ndarray, places: np.ndarray, straight: np.ndarray) -> Motion | None:
    """A bounce off a wall, ``IRREGULAR`` for a turn elsewhere, None if the path has no turn."""
    best = None
    for axis in (0, 1):
        for turn in times[3:-3]:
            design = np.stack([np.ones_like(times), np.minimum(times - turn, 0), np.maximum(times - turn, 0)], axis=1)
            fit, *_ = np.linalg.lstsq(design, places[:, axis], rcond=None)
            bent = float(((design @ fit - places[:, axis]) ** 2).sum())
            if fit[1] * fit[2] < 0 and min(abs(fit[1]), abs(fit[2])) > _BOUNCE_SPEED and bent < _BENT * straight[axis]:
                gain = float(straight[axis]) - bent
                if best is None or gain > best[0]:
                    best = gain, axis, float(fit[1])
    if best is None:
        return None
    _, axis, speed = best
    boxes = np.array([blob.box for blob in track.seen])
    room = SIDE - boxes[:, 2 + axis].max() if speed > 0 else boxes[:, axis].min()
    if room > _WALL_REACH:
        return IRREGULAR
    return Motion("bounce", (("left", "right"), ("up", "down"))[axis][speed > 0])
