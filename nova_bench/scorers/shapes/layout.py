"""The spatial relationship of two objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.scorers.base import Score
from nova_bench.scorers.shapes.reading import ShapesScorer, describe, summary

if TYPE_CHECKING:
    from nova_bench.shapes.captions import Claims
    from nova_bench.shapes.judge import Seen


class SpatialRelationship(ShapesScorer):
    """Mean over frames of the best score of any pair of the named shapes; a frame that lacks one of them scores 0.

    A pair scores 1 if the first is on the named side of the second, farther along that axis than across it, and their
    boxes overlap less than 0.1; with more overlap 0.1 / overlap. Not measurable if the prompt names no relation.
    Details: ``scores`` per frame; ``seen``.
    """

    def unstated(self, said: Claims) -> str | None:
        return None if said.relation else "names no relation"

    def judge(self, said: Claims, seen: Seen) -> Score:
        from nova_bench.shapes.judge import relation_score

        assert said.relation is not None, "see unstated"
        first, second = (thing.shape for thing in said.things)
        scores = [
            max(
                (
                    relation_score(a, b, said.relation)
                    for a in frame
                    for b in frame
                    if a is not b and a.shape == first and b.shape == second
                ),
                default=0.0,
            )
            for frame in seen.frames
        ]
        return Score(sum(scores) / len(scores), details={"scores": scores, "seen": summary(seen)})


SPATIAL_RELATIONSHIP = describe(
    "spatial_relationship",
    "Shapes world: share of frames in which two objects stand as the prompt says",
    "rule: VBench 1.0 spatial_relationship (arXiv 2311.17982), with the shapes world's own judge",
    f"{__name__}:SpatialRelationship",
)
