"""The judge: reads a picture or video of the shapes world with classical vision only, and reports its content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from nova_bench.shapes.captions import Claims, ThingClaim
from nova_bench.shapes.geometry import moments
from nova_bench.shapes.scene import COLORS, RADIUS, Motion
from nova_bench.shapes.segment import UNCLEAR, Blob, background_of, blobs_of, name_background, on_grid, shape_name
from nova_bench.shapes.tracking import MOTION_FRAMES, Track, link, motion_of

_LARGE = (RADIUS["small"] * RADIUS["large"]) ** 0.5
_PRESENT = 0.5  # a track seen in at least this share of frames is an object, not flicker
_OVERLAP = 0.1  # VBench: two objects that overlap more than this are hardly beside each other


@dataclass(frozen=True)
class SeenThing:
    """An object of a video; shape and colour may be ``UNCLEAR``.

    motion: None if there are too few frames to tell. blobs: per frame, None if the object is missing.
    """

    shape: str
    color: str
    size: str
    motion: Motion | None
    blobs: tuple[Blob | None, ...]


@dataclass(frozen=True)
class Seen:
    """What the judge sees: objects present in at least half of the frames, and the content of each single frame."""

    things: tuple[SeenThing, ...]
    frames: tuple[tuple[Blob, ...], ...]
    background: str
    gradient: bool


def see(frames: np.ndarray) -> Seen:
    """Read uint8 RGB [T, H, W, 3], T >= 1, of any size; it is resized to 64 x 64.

    Speeds and growth are per frame, so frames must be at the world's 12 per second.
    """
    pictures = on_grid(frames)
    background = background_of(pictures)
    blobs = blobs_of(pictures, background)
    tracks = [track for track in link(blobs) if len(track.seen) >= _PRESENT * len(pictures)]
    name, gradient = name_background(background)
    return Seen(tuple(_thing(track) for track in tracks), tuple(map(tuple, blobs)), name, gradient)


def _thing(track: Track) -> SeenThing:
    seen = track.seen
    shape = shape_name(np.mean([blob.shapes for blob in seen], axis=0))
    color = max((*COLORS, UNCLEAR), key=[blob.color for blob in seen].count)
    # The measured radius is that of a circle of the same area; the world's radius is the shape's own.
    area = moments(shape)[0] if shape != UNCLEAR else np.pi
    radius = float(np.mean([blob.radius for blob in seen[:3]])) * (np.pi / area) ** 0.5
    return SeenThing(shape, color, "large" if radius > _LARGE else "small", motion_of(track), track.blobs)


def relation_score(first: Blob, second: Blob, relation: str) -> float:
    """VBench's rule for one frame, on boxes: 1 if the first is <relation> the second.

    That is: on the right side, farther apart along the relation's axis than across it, with an overlap (intersection
    over union) of the boxes below 0.1; above that, the score falls as 0.1 / overlap.
    """
    axis = 0 if relation in ("left of", "right of") else 1
    middles = [((b.box[0] + b.box[2]) / 2, (b.box[1] + b.box[3]) / 2) for b in (first, second)]
    offset = [middles[1][i] - middles[0][i] for i in (0, 1)]
    along = offset[axis] if relation in ("left of", "above") else -offset[axis]
    if along <= abs(offset[1 - axis]):
        return 0.0
    overlap = _overlap(first.box, second.box)
    return 1.0 if overlap < _OVERLAP else _OVERLAP / overlap


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def matched(said: Claims, seen: Seen) -> list[tuple[ThingClaim, SeenThing | None]]:
    """Match each claimed object (a group's one by one) with the most similar seen object, each used once.

    Shape and colour decide; motion and size break ties between similar objects.
    """
    wanted = [*said.things[:1] * said.count, *said.things[1:]]
    gain = np.array([[_likeness(claim, thing) for thing in seen.things] for claim in wanted])
    pairs = dict(zip(*linear_sum_assignment(-gain), strict=True)) if gain.size else {}
    return [(claim, seen.things[pairs[index]] if index in pairs else None) for index, claim in enumerate(wanted)]


def _likeness(claim: ThingClaim, thing: SeenThing) -> float:
    same_motion = claim.motion is not None and shows(thing.motion, claim.motion)
    same_size = claim.size == thing.size
    return 4 * (claim.shape == thing.shape) + 4 * (claim.color == thing.color) + 2 * same_motion + same_size


def shows(seen: Motion | None, claimed: Motion) -> bool:
    """Whether a seen motion is the claimed one: kind, direction, and speed if it is claimed."""
    if seen is None or (seen.kind, seen.direction) != (claimed.kind, claimed.direction):
        return False
    return claimed.speed in (None, seen.speed)


def checks(said: Claims, seen: Seen) -> dict[str, bool | None]:
    """Every property that a text states -> whether the video has it; None if too few frames show motion.

    Properties: ``count``, ``shape``, ``color``, ``size``, ``motion``, ``speed``, ``relation``, ``background``. A
    property of several objects holds if it holds for each.
    """
    pairs = matched(said, seen)
    found: dict[str, bool | None] = {"count": len(seen.things) == said.total}
    for name in ("shape", "color", "size"):
        if getattr(said.things[0], name) or getattr(said.things[-1], name):
            found[name] = all(
                thing is not None and getattr(claim, name) in (None, getattr(thing, name)) for claim, thing in pairs
            )
    moving = [(claim.motion, thing.motion if thing else None) for claim, thing in pairs if claim.motion]
    timeless = len(seen.frames) < MOTION_FRAMES
    if moving:
        same = [shows(motion, Motion(wanted.kind, wanted.direction)) for wanted, motion in moving]
        found["motion"] = None if timeless else all(same)
    if any(wanted.speed for wanted, _ in moving):
        same = [wanted.speed is None or (motion and motion.speed) == wanted.speed for wanted, motion in moving]
        found["speed"] = None if timeless else all(same)
    if said.relation:
        first, second = (thing for _, thing in pairs)
        found["relation"] = (
            first is not None and second is not None and relation_share(first, second, said.relation) > 0.5
        )
    if said.background:
        found["background"] = said.background == (seen.background, seen.gradient)
    return found


def relation_share(first: SeenThing, second: SeenThing, relation: str) -> float:
    """Mean score of a relation over the frames that show both objects; 0 if none does."""
    scores = [relation_score(a, b, relation) for a, b in zip(first.blobs, second.blobs, strict=True) if a and b]
    return sum(scores) / len(scores) if scores else 0.0
