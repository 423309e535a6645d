"""VBench's multiple objects: in how many frames are both objects that the prompt names?"""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.config.metadata import MetadataSchema
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.detection import ASSETS, Detector, named
from nova_bench.scorers.vbench.object_class import share_with
from nova_bench.scorers.vbench.object_names import unknown_object
from nova_bench.scorers.vbench.settings import NetworkSettings


class MultipleObjectsSettings(NetworkSettings):
    """Settings of multiple objects."""


class Objects(MetadataSchema):
    """What multiple objects reads of a prompt."""

    objects: tuple[str, str]
    """The names of both among the 80 of COCO, for example ["bird", "cat"]."""


class MultipleObjects:
    """Share of sixteen frames in which GRiT-B names both objects, as in VBench's multiple_objects.py.

    An object that GRiT never names is not measurable; the official code counts 0. Details: ``names`` of the objects in
    each frame, the surest first.
    """

    def __init__(self, settings: MultipleObjectsSettings, context: ScorerContext):
        self._detector = Detector(settings, context)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        metadata = sample.metadata
        assert isinstance(metadata, Objects)
        if (reason := unknown_object(metadata.objects)) is not None:
            return Score(None, reason=reason)
        frames = self._detector.detect(sample.clip)
        names = [{seen.name for seen in frame} for frame in frames]
        return Score(share_with(names, metadata.objects), weight=len(frames), details=named(frames))


INFO = ScorerInfo(
    name="multiple_objects",
    summary="VBench multiple objects: share of frames in which GRiT names both of the prompt's objects",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), multiple_objects.py",
    factory=f"{__name__}:MultipleObjects",
    settings=MultipleObjectsSettings,
    assets=ASSETS,
    average="weighted",
    reads=Objects,
)
