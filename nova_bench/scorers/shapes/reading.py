"""What the shapes scorers share: settings, one reading of each clip, the prompt's claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pydantic import Field

from nova_bench.config.fields import ScorerSettings
from nova_bench.core.errors import UserError
from nova_bench.judges.shapes import READING_VERSION
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo

if TYPE_CHECKING:
    from nova_bench.shapes.captions import Claims
    from nova_bench.shapes.judge import Seen
    from nova_bench.video import Clip

# A clip exists while its batch is scored, so all scorers of a suite share one reading of it.
_READINGS: WeakKeyDictionary[Clip, dict[int | None, Seen]] = WeakKeyDictionary()


class ShapesSettings(ScorerSettings):
    """Which part of a video is judged."""

    frames: int | None = Field(default=17, ge=1)
    """Frames from the start that are judged. Captions of the shapes world describe the first 17; in later ones objects
    may cover each other. null: all frames."""


class ShapesScorer:
    """Base: reads the clip, parses the prompt, and leaves the score to ``judge``."""

    def __init__(self, settings: ShapesSettings, context: ScorerContext):
        del context  # OpenCV on the CPU
        self.settings = settings

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        from nova_bench.shapes.parsing import parse_caption

        try:
            said = parse_caption(sample.prompt)
        except UserError as error:
            return Score(None, reason=error.message)
        if reason := self.unstated(said):
            return Score(None, reason=f"the prompt {reason}")
        return self.judge(said, _reading(sample.clip, self.settings.frames))

    def unstated(self, said: Claims) -> str | None:
        """What the prompt lacks for this scorer; None if it lacks nothing."""
        return None

    def judge(self, said: Claims, seen: Seen) -> Score:
        """The score of a video in which the judge saw ``seen``."""
        raise NotImplementedError


def summary(seen: Seen) -> list[dict[str, object]]:
    """The objects of a video, for a score's details."""
    return [
        {
            "shape": thing.shape,
            "color": thing.color,
            "size": thing.size,
            "motion": thing.motion.name if thing.motion else None,
            "speed": thing.motion.speed if thing.motion else None,
            "frames": sum(blob is not None for blob in thing.blobs),
        }
        for thing in seen.things
    ]


def describe(name: str, text: str, source: str, factory: str, binary: bool = False) -> ScorerInfo:
    """The description of a shapes scorer; all other fields are the same for each."""
    return ScorerInfo(
        name=f"shapes/{name}",
        summary=text,
        version=f"1, judge {READING_VERSION}",
        unit="",
        range=(0.0, 1.0),
        higher_is_better=True,
        source=source,
        factory=factory,
        settings=ShapesSettings,
        needs_prompt=True,
        binary=binary,
    )


def _reading(clip: Clip, frames: int | None) -> Seen:
    from nova_bench.shapes.judge import see

    readings = _READINGS.setdefault(clip, {})
    if frames not in readings:
        readings[frames] = see(clip.frames[:frames].numpy())
    return readings[frames]
