"""The scene graph: the exact content of a video of the shapes world. Frozen dataclasses that convert to JSON and back.

Lengths are world units: the picture is ``SIDE`` x ``SIDE`` units at any resolution, x to the right, y down. Times are
frames at ``FPS``. A caption describes the first ``CAPTION_FRAMES`` frames; a longer video continues by the same laws.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

SIDE = 64.0
FPS = 12
CAPTION_FRAMES = 17

SHAPES = ("circle", "square", "triangle", "star", "cross")
COLORS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
BACKGROUNDS = ("white", "gray", "black", "beige")
SIZES = ("small", "large")
SPEEDS = ("slow", "fast")
RELATIONS = ("left of", "right of", "above", "below")
DIRECTIONS = {
    "left": (-1, 0),
    "right": (1, 0),
    "up": (0, -1),
    "down": (0, 1),
    "up left": (-1, -1),
    "up right": (1, -1),
    "down left": (-1, 1),
    "down right": (1, 1),
}
"""Direction -> signs of its x and y components."""
WALLS = ("left", "right", "top", "bottom")
WALL_OF = {"left": "left", "right": "right", "up": "top", "down": "bottom"}
"""Direction of a bouncing object before the bounce -> the wall it meets."""
KINDS = ("static", "move", "bounce", "grow", "shrink")

RADIUS = {"small": 6.5, "large": 10.5}
"""Size -> radius of a circle of that size; the other shapes cover about the same area."""
SPEED = {"slow": 0.7, "fast": 1.8}
"""Speed -> units per frame along the path. Bouncing objects are fast."""
GROWTH = 1.7
"""Factor by which a growing radius has grown at frame 16, and a shrinking one has shrunk. Afterwards it is constant."""
WALL_GAP = 1.0
"""Objects turn round when their bounding box is this far from the picture's edge."""


@dataclass(frozen=True)
class Motion:
    """How an object moves. ``direction`` for "move" and "bounce" (before the bounce), ``speed`` for "move" only.

    In a claim (see :mod:`nova_bench.shapes.captions`) ``speed`` None means that the text doesn't say.
    """

    kind: str
    direction: str | None = None
    speed: str | None = None

    @property
    def heading(self) -> str:
        """The direction of a motion that has one."""
        assert self.direction is not None, f"{self.kind} has no direction"
        return self.direction

    @property
    def name(self) -> str:
        """Kind and direction in one word or two: "static", "up left", "bounce right", "grow"."""
        if self.kind == "move":
            return self.heading
        return f"{self.kind} {self.direction}" if self.direction else self.kind


MOTIONS = (
    Motion("static"),
    *(Motion("move", direction) for direction in DIRECTIONS),
    *(Motion("bounce", direction) for direction in WALL_OF),
    Motion("grow"),
    Motion("shrink"),
)
"""Every motion, without speeds. The order is part of the rule that holds combinations out."""


@dataclass(frozen=True)
class Thing:
    """One object. ``x``, ``y``: centre of its bounding box in frame 0. ``size`` is also that of frame 0."""

    shape: str
    color: str
    size: str
    motion: Motion
    x: float
    y: float


@dataclass(frozen=True)
class Scene:
    """Everything about one video of any length.

    objects: one, two of different shape and colour, or a group of two or three that differ in position only. Later
        ones are drawn over earlier ones (within the caption's frames no two of them touch).
    relation: the first object is <relation> the second throughout the caption's frames; None except for pairs.
    background, gradient: name of the colour, and whether it is a gradient from top to bottom.
    """

    objects: tuple[Thing, ...]
    relation: str | None
    background: str
    gradient: bool

    @property
    def is_group(self) -> bool:
        """Whether the objects are copies of each other."""
        return len(self.objects) > 1 and self.relation is None

    def to_json(self) -> str:
        """The scene as one line of JSON; :meth:`from_json` is its inverse."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Scene:
        """Read the output of :meth:`to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        fields: dict[str, Any] = json.loads(text)
        things = tuple(Thing(**{**thing, "motion": Motion(**thing["motion"])}) for thing in fields.pop("objects"))
        return cls(objects=things, **fields)
