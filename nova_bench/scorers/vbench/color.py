"""VBench's color: where the object is seen and described in some colour, how often in the right one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nova_bench.config.metadata import MetadataSchema
from nova_bench.core.messages import shorten
from nova_bench.core.registry import nearest
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.detection import ASSETS, Detection, Detector, named
from nova_bench.scorers.vbench.object_names import unknown_object
from nova_bench.scorers.vbench.settings import NetworkSettings

COLORS = ("white", "red", "pink", "blue", "silver", "purple", "orange", "green", "gray", "yellow", "black", "grey")


class ColorSettings(NetworkSettings):
    """Settings of color."""


class ColoredObject(MetadataSchema):
    """What color reads of a prompt."""

    object: str
    """The object's name among the 80 of COCO, for example "bicycle"."""
    color: str
    """The colour's name, for example "red"."""


class Color:
    """Frames with the object in its colour over frames with the object in any, of sixteen: VBench's color.py.

    GRiT-B names and captions what it sees; a colour counts wherever its letters are in a caption. As in the official
    code, the *first* object of a frame lends its name to all captions of the frame; :class:`CorrectedColor` reads each
    caption with its own object's name. If no frame has the object in any of the twelve colours, the score is not
    measurable, and the mean leaves the video out. Details: ``names`` and ``captions`` of the objects in each frame.
    """

    def __init__(self, settings: ColorSettings, context: ScorerContext):
        self._detector = Detector(settings, context, captions=True)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        metadata = sample.metadata
        assert isinstance(metadata, ColoredObject)
        if (reason := unknown_object([metadata.object]) or _unknown_color(metadata.color)) is not None:
            return Score(None, reason=reason)
        frames = self._detector.detect(sample.clip)
        details = named(frames) | {"captions": [[seen.caption for seen in frame] for frame in frames]}
        colored, right = count([self.captions(frame, metadata.object) for frame in frames], metadata.color)
        if not colored:
            return Score(None, reason="in no frame is the object described in a colour", details=details)
        return Score(right / colored, details=details)

    @staticmethod
    def captions(frame: Sequence[Detection], name: str) -> list[str]:
        """The captions of one frame that are read for an object of that name."""
        return [seen.caption for seen in frame] if frame and frame[0].name == name else []


class CorrectedColor(Color):
    """As :class:`Color`, but a caption counts for the object that it describes."""

    @staticmethod
    def captions(frame: Sequence[Detection], name: str) -> list[str]:
        """The captions of the objects of that name."""
        return [seen.caption for seen in frame if seen.name == name]


def count(frames: Sequence[Sequence[str]], color: str) -> tuple[int, int]:
    """In how many frames some caption has any colour, and in how many the right one."""
    colored = sum(any(word in caption for caption in captions for word in COLORS) for captions in frames)
    return colored, sum(any(color in caption for caption in captions) for captions in frames)


def _unknown_color(color: str) -> str | None:
    if color in COLORS:
        return None
    return f"{shorten(color)} is not one of the colours that the rule knows{nearest(color, COLORS)}"


INFO = ScorerInfo(
    name="color",
    summary="VBench color: share of the frames with the object in some colour that have it in the prompt's",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), color.py",
    factory=f"{__name__}:Color",
    settings=ColorSettings,
    assets=ASSETS,
    reads=ColoredObject,
)
CORRECTED = replace(
    INFO,
    name="color_corrected",
    summary="VBench color, but each caption is read for its own object, not for the frame's first",
    source="VBench 1.0 (arXiv 2311.17982), color.py, with one fault mended",
    factory=f"{__name__}:CorrectedColor",
)
