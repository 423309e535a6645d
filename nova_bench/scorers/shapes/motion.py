"""Whether objects move as the prompt says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.scorers.base import Score
from nova_bench.scorers.shapes.reading import ShapesScorer, describe, summary

if TYPE_CHECKING:
    from nova_bench.shapes.captions import Claims
    from nova_bench.shapes.judge import Seen


class MotionKind(ShapesScorer):
    """Share of the objects with a stated motion that show it: the direction, at rest, bouncing, growing, shrinking.

    Speed is not judged (shapes/all judges it). A missing object counts as wrong; one of the wrong shape or
    colour is judged by its motion alone. Not measurable if the prompt states no motion or the clip has fewer than
    five frames. Details: ``wanted`` and ``shown``, one motion per object (null: none was seen); ``seen``.
    """

    def unstated(self, said: Claims) -> str | None:
        return None if any(thing.motion for thing in said.things) else "states no motion"

    def judge(self, said: Claims, seen: Seen) -> Score:
        from nova_bench.shapes.judge import matched
        from nova_bench.shapes.tracking import MOTION_FRAMES

        if len(seen.frames) < MOTION_FRAMES:
            return Score(None, reason=f"{len(seen.frames)} frames: motion needs at least {MOTION_FRAMES}")
        pairs = [(claim.motion, thing) for claim, thing in matched(said, seen) if claim.motion]
        wanted = [motion.name for motion, _ in pairs]
        shown = [thing.motion.name if thing and thing.motion else None for _, thing in pairs]
        right = sum(a == b for a, b in zip(wanted, shown, strict=True))
        return Score(right / len(pairs), details={"wanted": wanted, "shown": shown, "seen": summary(seen)})


MOTION = describe(
    "motion",
    "Shapes world: share of objects that move (or rest, bounce, grow, shrink) as the prompt says",
    "nova_bench's own rule and judge",
    f"{__name__}:MotionKind",
)
