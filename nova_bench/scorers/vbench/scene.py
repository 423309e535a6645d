"""VBench's scene: do captions of the video name the place that the prompt asks for?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nova_bench.config.metadata import MetadataSchema
from nova_bench.networks.frames import tag2text_input, to_float
from nova_bench.networks.numerics import numerics
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.middle_frames import middle_frames
from nova_bench.scorers.vbench.settings import NetworkSettings

if TYPE_CHECKING:
    from nova_bench.networks.tag2text.captioner import Described

_ASSETS = ("tag2text-swin-14m", "tag2text-tags", "bert-vocab")
_FRAMES = 16
_SIDE = 384
_REPEATS = 3  # captions of each frame in the official code, as many as its beams


class SceneSettings(NetworkSettings):
    """Settings of scene."""


class Place(MetadataSchema):
    """What scene reads of a prompt."""

    scene: str
    """The place, in the words that a caption must contain, for example "amusement park"."""


class Scene:
    """Share of sixteen captions by Tag2Text that contain every word of the place, as in VBench's scene.py.

    The official code takes the middle frames of sixteen equal parts, but captions the first five of them three times
    each, the sixth once, and the others not at all: its caption i is of frame i // 3. Here each frame is captioned
    once and counts as often. :class:`CorrectedScene` captions all sixteen. A word counts wherever its letters are.

    Details: ``frames``, the frames with a caption; ``counts``, how often each counts; ``captions`` and ``tags``.
    """

    def __init__(self, settings: SceneSettings, context: ScorerContext):
        from nova_bench.networks.tag2text.captioner import Captioner

        self._settings, self._device = settings, context.device
        weights, tags, vocabulary = (context.asset(name) for name in _ASSETS)
        self._captioner = Captioner(weights, tags, vocabulary, context.device)

    @staticmethod
    def captioned(frames: Sequence[int]) -> list[int]:
        """Which frame each of the captions describes."""
        return [frames[caption // _REPEATS] for caption in range(len(frames))]

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        counts = [Counter(self.captioned(middle_frames(sample.clip.frame_count, _FRAMES))) for sample in batch]
        with numerics(self._settings.precision):
            images = [
                image
                for sample, frames in zip(batch, counts, strict=True)
                for image in tag2text_input(to_float(sample.clip.frames[list(frames)], self._device))
            ]
            described = iter(self._captioner.describe(images))
        return [
            _judge(sample, frames, [next(described) for _ in frames])
            for sample, frames in zip(batch, counts, strict=True)
        ]


class CorrectedScene(Scene):
    """As :class:`Scene`, but each of the sixteen frames has a caption of its own."""

    @staticmethod
    def captioned(frames: Sequence[int]) -> list[int]:
        """Each caption describes its own frame."""
        return list(frames)


def names_place(caption: str, place: str) -> bool:
    """Whether a caption contains every word of the place."""
    return all(word in caption for word in place.split(" "))


def _judge(sample: Sample, counts: Counter[int], described: Sequence[Described]) -> Score:
    metadata = sample.metadata
    assert isinstance(metadata, Place)
    captions = [found.caption for found in described]
    named = sum(
        count for caption, count in zip(captions, counts.values(), strict=True) if names_place(caption, metadata.scene)
    )
    details = {
        "frames": list(counts),
        "counts": list(counts.values()),
        "captions": captions,
        "tags": [found.tags for found in described],
    }
    return Score(named / counts.total(), weight=counts.total(), details=details)


INFO = ScorerInfo(
    name="scene",
    summary="VBench scene: share of Tag2Text's captions that name the prompt's place",
    version="1",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), scene.py",
    factory=f"{__name__}:Scene",
    settings=SceneSettings,
    assets=_ASSETS,
    average="weighted",
    reads=Place,
    decode_size=(_SIDE, _SIDE),
)
CORRECTED = replace(
    INFO,
    name="scene_corrected",
    summary="VBench scene, but with a caption of each of the sixteen frames, not three of each of the first five",
    source="VBench 1.0 (arXiv 2311.17982), scene.py, with one fault mended",
    factory=f"{__name__}:CorrectedScene",
)
