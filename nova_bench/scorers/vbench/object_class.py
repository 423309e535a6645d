"""VBench's object class: in how many frames is the object that the prompt names?"""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.config.metadata import MetadataSchema
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.detection import ASSETS, Detector, named
from nova_bench.scorers.vbench.object_names import unknown_object
from nova_bench.scorers.vbench.settings import NetworkSettings


class ObjectClassSettings(NetworkSettings):
    """Settings of object class."""


class Object(MetadataSchema):
    """What object class reads of a prompt."""

    object: str
    """The object's name among the 80 of COCO, for example "bicycle"."""


class ObjectClass:
    """Share of sixteen frames in which GRiT-B names the object, as in VBench's object_class.py.

    An object that GRiT never names is not measurable; the official code counts 0. Details: ``names`` of the objects in
    each frame, the surest first.
    """

    def __init__(self, settings: ObjectClassSettings, context: ScorerContext):
        self._detector = Detector(settings, context)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        metadata = sample.metadata
        assert isinstance(metadata, Object)
        if (reason := unknown_object([metadata.object])) is not None:
            return Score(None, reason=reason)
        frames = self._detector.detect(sample.clip)
        names = [{seen.name for seen in frame} for frame in frames]
        return Score(share_with(names, [metadata.object]), weight=len(frames), details=named(frames))


def share_with(frames: Sequence[set[str]], objects: Sequence[str]) -> float:
    """Share of frames that have all of these objects; names are equal or not."""
    return sum(set(objects) <= names for names in frames) / len(frames)


INFO = ScorerInfo(
    name="object_class",
    summary="VBench object class: share of frames in which GRiT names the prompt's object",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), object_class.py",
    factory=f"{__name__}:ObjectClass",
    settings=ObjectClassSettings,
    assets=ASSETS,
    average="weighted",
    reads=Object,
)
