"""Objects frame by frame: their shapes, colours and number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.scorers.base import Score
from nova_bench.scorers.shapes.reading import ShapesScorer, describe, summary

if TYPE_CHECKING:
    from nova_bench.shapes.captions import Claims
    from nova_bench.shapes.judge import Seen


class ObjectClass(ShapesScorer):
    """Share of frames that show an object of the named shape; for two named objects the mean of both shares.

    Details: ``hits``, for each named shape 1 or 0 per frame; ``seen``, the objects of the whole video.
    """

    def judge(self, said: Claims, seen: Seen) -> Score:
        hits = {
            thing.shape: [int(any(blob.shape == thing.shape for blob in frame)) for frame in seen.frames]
            for thing in said.things
        }
        value = sum(map(sum, hits.values())) / (len(hits) * len(seen.frames))
        return Score(value, details={"hits": hits, "seen": summary(seen)})


class MultipleObjects(ShapesScorer):
    """Share of frames that show both named shapes. Not measurable if the prompt names one object or a group.

    Details: ``hits``, 1 or 0 per frame; ``seen``.
    """

    def unstated(self, said: Claims) -> str | None:
        return "names one kind of object only" if len(said.things) == 1 else None

    def judge(self, said: Claims, seen: Seen) -> Score:
        # Two objects of one shape must appear twice.
        wanted = sorted(thing.shape for thing in said.things)
        hits = [
            int(all([blob.shape for blob in frame].count(shape) >= wanted.count(shape) for shape in wanted))
            for frame in seen.frames
        ]
        return Score(sum(hits) / len(hits), details={"hits": hits, "seen": summary(seen)})


class Color(ShapesScorer):
    """Of the frames that show the named shape, the share in which it has the named colour.

    For two named objects their mean; an object that no frame shows is left out, and if none is left the score is not
    measurable (object_class counts missing objects). Details: ``colors``, for each named shape the colours per
    frame; ``seen``.
    """

    def judge(self, said: Claims, seen: Seen) -> Score:
        colors, shares = {}, []
        for thing in said.things:
            rows = [[blob.color for blob in frame if blob.shape == thing.shape] for frame in seen.frames]
            colors[thing.shape] = rows
            shown = [row for row in rows if row]
            if shown:
                shares.append(sum(thing.color in row for row in shown) / len(shown))
        details = {"colors": colors, "seen": summary(seen)}
        if not shares:
            return Score(None, details=details, reason=f"no {' or '.join(colors)} was seen in any frame")
        return Score(sum(shares) / len(shares), details=details)


class Count(ShapesScorer):
    """Share of frames with exactly as many objects, of whatever kind, as the prompt names.

    Details: ``counts`` per frame; ``wanted``; ``seen``.
    """

    def judge(self, said: Claims, seen: Seen) -> Score:
        counts = [len(frame) for frame in seen.frames]
        details = {"counts": counts, "wanted": said.total, "seen": summary(seen)}
        return Score(counts.count(said.total) / len(counts), details=details)


OBJECT_CLASS = describe(
    "object_class",
    "Shapes world: share of frames that show the named shape",
    "after VBench 1.0 object_class (arXiv 2311.17982), with the shapes world's own judge",
    f"{__name__}:ObjectClass",
)
MULTIPLE_OBJECTS = describe(
    "multiple_objects",
    "Shapes world: share of frames that show both named shapes",
    "after VBench 1.0 multiple_objects (arXiv 2311.17982), with the shapes world's own judge",
    f"{__name__}:MultipleObjects",
)
COLOR = describe(
    "color",
    "Shapes world: share of the shape's frames in which it has the named colour",
    "after VBench 1.0 color (arXiv 2311.17982), with the shapes world's own judge",
    f"{__name__}:Color",
)
COUNT = describe(
    "count",
    "Shapes world: share of frames with exactly the named number of objects",
    "nova_bench's own rule and judge",
    f"{__name__}:Count",
)
