"""What the fidelity scorers share: frame by frame against a reference, mean over the frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from nova_bench.config.fields import ScorerSettings
from nova_bench.scorers.base import Score
from nova_bench.scorers.pairing import FramePairs
from nova_bench.scorers.streaming import Measurement

if TYPE_CHECKING:
    import numpy as np


class FidelitySettings(ScorerSettings):
    """How a video is compared with its reference."""

    frames: Literal["same", "common"] = "same"
    """``same``: both must be equally long; ``common``: the length that both have is compared."""


class FrameMeans(Measurement):
    """Scores pairs of frames as they come. The score is their mean, with details ``per_frame``.

    ``compare`` returns one number per pair and is given ``at_once`` pairs, at the end fewer;
    ``reason`` says why frames of this size have no number; empty if they have one.
    """

    def __init__(
        self,
        settings: FidelitySettings,
        compare: Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], list[float]],
        at_once: int = 1,
        reason: str = "",
    ):
        self.settings, self._compare, self._at_once, self._reason = settings, compare, at_once, reason
        self._frames: list[np.ndarray] = []
        self._references: list[np.ndarray] = []
        self.per_frame: list[float] = []

    def add(self, frames: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> None:
        if self._reason:
            return
        frames, references = [*self._frames, *frames], [*self._references, *references]
        rest = len(frames) - len(frames) % self._at_once
        for start in range(0, rest, self._at_once):
            batch = slice(start, start + self._at_once)
            self.per_frame += self._compare(frames[batch], references[batch])
        self._frames = [frame.copy() for frame in frames[rest:]]
        self._references = [frame.copy() for frame in references[rest:]]

    def finish(self, pairs: FramePairs | None) -> Score:
        assert pairs is not None, "these scorers need a reference"
        if pairs.problem is not None and self.settings.frames == "same":
            raise pairs.problem
        if self._reason:
            return Score(None, reason=self._reason)
        if self._frames:
            self.per_frame += self._compare(self._frames, self._references)
        return self.score(self.per_frame, {"frames_left_out": True} if pairs.left_out else {})

    def score(self, per_frame: list[float], details: dict) -> Score:
        """The score for the numbers of all pairs."""
        return Score(math.fsum(per_frame) / len(per_frame), details={"per_frame": per_frame, **details})
