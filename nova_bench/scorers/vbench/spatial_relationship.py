"""VBench's spatial relationship: are two objects beside or above each other, as the prompt says?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, permutations, product
from typing import Literal

from nova_bench.config.metadata import MetadataSchema
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.detection import ASSETS, Detection, Detector, named
from nova_bench.scorers.vbench.object_names import unknown_object
from nova_bench.scorers.vbench.settings import NetworkSettings

Box = tuple[int, int, int, int]
_OVERLAP = 0.1  # of two boxes, up to which they count in full


class SpatialRelationshipSettings(NetworkSettings):
    """Settings of spatial relationship."""


class Relationship(MetadataSchema):
    """Two objects and the position of the first relative to the second."""

    object_a: str
    """The first object, for example "bicycle"."""
    object_b: str
    """The second object, for example "car"."""
    relationship: Literal["on the left of", "on the right of", "on the top of", "on the bottom of"]
    """Where the first one is."""

    @property
    def sideways(self) -> bool:
        """Whether it is about left and right."""
        return self.relationship in ("on the left of", "on the right of")


class Related(MetadataSchema):
    """What spatial relationship reads of a prompt."""

    spatial_relationship: Relationship
    """Both objects, and where the first one is."""


class SpatialRelationship:
    """Mean over sixteen frames of the best pair's score, as in VBench's spatial_relationship.py.

    A pair scores 1 if its boxes lie along the right axis and overlap by less than 0.1, less the more they overlap, and
    0 along the other axis. As in the official code, any two boxes that have either name form a pair, even two of one
    object, and left is as good as right; :class:`CorrectedSpatialRelationship` wants one of each, in the right order.
    Details: ``names``, ``boxes`` [left, top, right, bottom] and ``frame_scores``.
    """

    def __init__(self, settings: SpatialRelationshipSettings, context: ScorerContext):
        self._detector = Detector(settings, context)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        metadata = sample.metadata
        assert isinstance(metadata, Related)
        wanted = metadata.spatial_relationship
        if (reason := unknown_object([wanted.object_a, wanted.object_b])) is not None:
            return Score(None, reason=reason)
        frames = self._detector.detect(sample.clip)
        details = named(frames) | {"boxes": [[list(seen.box) for seen in frame] for frame in frames]}
        try:
            scores = [max((0.0, *self.pair_scores(frame, wanted))) for frame in frames]
        except ZeroDivisionError:
            return Score(None, reason="two boxes without area have no overlap", details=details)
        details |= {"frame_scores": scores}
        return Score(sum(scores) / len(scores), weight=len(scores), details=details)

    @staticmethod
    def pair_scores(frame: Sequence[Detection], wanted: Relationship) -> Iterator[float]:
        """The score of each pair of one frame. Raises ZeroDivisionError if neither box of a pair has an area."""
        boxes = [seen.box for seen in frame if seen.name in (wanted.object_a, wanted.object_b)]
        return (position_score(*pair, wanted.sideways) for pair in combinations(boxes, 2))


class CorrectedSpatialRelationship(SpatialRelationship):
    """As :class:`SpatialRelationship`, but a pair is one object of each name, and the first one must be on its side."""

    @staticmethod
    def pair_scores(frame: Sequence[Detection], wanted: Relationship) -> Iterator[float]:
        """The score of each pair of one frame."""
        first, second = ([seen for seen in frame if seen.name == name] for name in (wanted.object_a, wanted.object_b))
        pairs = permutations(first, 2) if wanted.object_a == wanted.object_b else product(first, second)
        for one, other in pairs:
            box, another = one.box, other.box
            if in_order(box, another, wanted.relationship):
                yield position_score(box, another, wanted.sideways)


def position_score(box: Box, other: Box, sideways: bool) -> float:
    """1 for boxes along the axis that hardly overlap, less for others along it, 0 across it.

    Raises ZeroDivisionError if neither box has an area.
    """
    across, down = (abs(_centre(other, axis) - _centre(box, axis)) for axis in (0, 1))
    overlap = _overlap(box, other)
    along, aside = (across, down) if sideways else (down, across)
    if along <= aside:
        return 0.0
    return 1.0 if overlap < _OVERLAP else _OVERLAP / overlap


def in_order(box: Box, other: Box, relationship: str) -> bool:
    """Whether the centre of ``box`` is on the named side of that of ``other``."""
    axis = 0 if relationship in ("on the left of", "on the right of") else 1
    before = relationship in ("on the left of", "on the top of")
    distance = _centre(other, axis) - _centre(box, axis)
    return distance > 0 if before else distance < 0


def _centre(box: Box, axis: int) -> float:
    return (box[axis] + box[axis + 2]) / 2


def _overlap(box: Box, other: Box) -> float:
    """Intersection over union."""
    sides = [max(0, min(box[axis + 2], other[axis + 2]) - max(box[axis], other[axis])) for axis in (0, 1)]
    shared = sides[0] * sides[1]
    return shared / (_area(box) + _area(other) - shared)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


INFO = ScorerInfo(
    name="spatial_relationship",
    summary="VBench spatial relationship: mean over frames of how well two objects lie along the prompt's axis",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), spatial_relationship.py",
    factory=f"{__name__}:SpatialRelationship",
    settings=SpatialRelationshipSettings,
    assets=ASSETS,
    average="weighted",
    reads=Related,
)
CORRECTED = replace(
    INFO,
    name="spatial_relationship_corrected",
    summary="VBench spatial relationship, but with one object of each name and the first one on the prompt's side",
    source="VBench 1.0 (arXiv 2311.17982), spatial_relationship.py, with two faults mended",
    factory=f"{__name__}:CorrectedSpatialRelationship",
)
