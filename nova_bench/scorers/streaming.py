"""Scoring while frames arrive: the base of scorers that compare neighbouring frames, in whole clips and in streams."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nova_bench.config.fields import Align
from nova_bench.core.errors import MediaError
from nova_bench.scorers.base import Sample, Score
from nova_bench.scorers.pairing import FramePairs
from nova_bench.video.source import FrameSource, source_of

if TYPE_CHECKING:
    import numpy as np


class Measurement(ABC):
    """One video on its way through a scorer. Holds only a window of frames, however long the video is.

    The score must not depend, to the bit, on how frames are distributed over calls.
    """

    @abstractmethod
    def add(self, frames: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> None:
        """Take the next frames, uint8 RGB [H, W, 3], and the reference's if the scorer needs one.

        The arrays are valid only during this call.
        """

    @abstractmethod
    def finish(self, pairs: FramePairs | None) -> Score:
        """Return the score after all frames; ``pairs`` says how they were paired with the reference."""


class StreamingScorer(ABC):
    """A scorer that works from frame to frame. Its ``ScorerInfo`` says ``streams=True``."""

    needs_reference = False

    @abstractmethod
    def begin(self, video: FrameSource) -> Measurement:
        """Begin a video, of which everything but the frames is known; ``frame_count`` is None for a stream."""

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        """Score whole clips."""
        return [self._score_one(sample) for sample in batch]

    def _score_one(self, sample: Sample) -> Score:
        video, reference = source_of(sample.clip), None
        if self.needs_reference:
            if sample.reference is None:
                raise MediaError(f"{video.path}: is to be compared with a reference video", "name one in the suite")
            reference = source_of(sample.reference)
        part = Part(self.begin, self.needs_reference)
        measure([part], video, reference, sample.align)
        outcome = part.result()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@dataclass
class Part:
    """One scorer's part in a stream: how it begins, and how it ended."""

    begin: Callable[[FrameSource], Measurement]
    paired: bool
    outcome: Score | Exception | None = None
    seconds: float = 0.0
    _measurement: Measurement | None = None

    def start(self, video: FrameSource) -> None:
        self._try(lambda: setattr(self, "_measurement", self.begin(video)))

    def add(self, frames: Sequence[np.ndarray], references: Sequence[np.ndarray] = ()) -> None:
        self._try(lambda: self._begun().add(frames, references))

    def finish(self, pairs: FramePairs | None) -> None:
        self._try(lambda: setattr(self, "outcome", self._begun().finish(pairs)))
        if isinstance(self.outcome, Score) and pairs is not None:
            self.outcome = replace(self.outcome, notes=(*self.outcome.notes, *pairs.notes))

    def result(self) -> Score | Exception:
        """The outcome, after :func:`measure`."""
        assert self.outcome is not None, "measure gives every part an outcome"
        return self.outcome

    def fail(self, error: Exception) -> None:
        """End with an error, unless it has already ended."""
        if self.outcome is None:
            self.outcome, self._measurement = error, None

    def _begun(self) -> Measurement:
        assert self._measurement is not None, "a part without an outcome was started"
        return self._measurement

    def _try(self, step: Callable[[], None]) -> None:
        if self.outcome is not None:
            return
        started = time.perf_counter()
        try:
            step()
        except Exception as error:
            self.fail(error)
        self.seconds += time.perf_counter() - started


def measure(parts: Sequence[Part], video: FrameSource, reference: FrameSource | None, align: Align) -> None:
    """Pass a video's frames through scorers, each frame once; afterwards every part has its outcome.

    An error of one scorer or of the reference does not affect the other scorers. An error of the video, such as
    truncation, ends all of them.
    """
    alone = [part for part in parts if not part.paired]
    paired = [part for part in parts if part.paired]
    for part in parts:
        part.start(video)
    pairs: FramePairs | None = None
    with _failing(parts):
        with _failing(paired):
            if paired:
                assert reference is not None, "the reference is decoded if a scorer needs pairs"
                pairs = FramePairs(video, reference, align)
        for chunk in video.chunks:
            for part in alone:
                part.add(list(chunk.frames))
            with _failing(paired):
                if pairs is not None and _go_on(paired):
                    for frames, references in pairs.of(chunk):
                        for part in paired:
                            part.add(frames, references)
            if not _go_on(parts):
                return
        with _failing(paired):
            if pairs is not None and _go_on(paired):
                pairs.finish()
        for part in parts:
            part.finish(pairs if part.paired else None)


def _go_on(parts: Sequence[Part]) -> bool:
    return any(part.outcome is None for part in parts)


@contextmanager
def _failing(parts: Sequence[Part]) -> Iterator[None]:
    """A MediaError ends these parts."""
    try:
        yield
    except MediaError as error:
        for part in parts:
            part.fail(error)
