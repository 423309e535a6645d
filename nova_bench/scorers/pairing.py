"""Which frame of a reference belongs to a frame of a video: the one shown at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from nova_bench.config.fields import Align
from nova_bench.core.errors import MediaError
from nova_bench.video.source import FrameChunk, FrameSource

if TYPE_CHECKING:
    import numpy as np

_TOLERANCE = Fraction(1, 100)  # of the slower side's interval between frames
_SAME_RATE = Fraction(1, 2000)  # below half of the difference between 29.97 and 30 frames per second
_BY_INDEX = "--set reference.align=index pairs frame by frame"
_ONE_RATE = f"export both at one frame rate, or one at a multiple of the other; {_BY_INDEX}"


class FramePairs:
    """Pairs the frames of a video, given chunk by chunk, with those of its reference; holds one chunk of each.

    Times count from the first frame of each side. A frame and its partner differ by at most 1 % of the slower side's
    interval between frames (at least one tick of the clock). All frames of one side must have a partner; frames of the
    other side without one are skipped, so its rate may be a multiple. A side without time stamps is timed by its frame
    rate; without a frame rate, and with ``align`` "index", the n-th frames are partners.

    Raises :class:`MediaError` if the two don't fit together. Their ends are checked last: see :meth:`finish`.
    """

    def __init__(self, video: FrameSource, reference: FrameSource, align: Align = "time"):
        if (video.height, video.width) != (reference.height, reference.width):
            raise MediaError(
                f"{video.path}: {video.width}x{video.height}, but its reference {reference.path} is "
                f"{reference.width}x{reference.height}",
                "frames are compared pixel by pixel; bring both to one size",
            )
        self._align = align
        self._video, self._reference = _Side(video, "video"), _Side(reference, "reference")
        self._tick = max(video.tick or Fraction(0), reference.tick or Fraction(0))
        self.problem: MediaError | None = None
        """After :meth:`finish`: why the two can't be compared if they don't end together; None if they do."""
        self.notes: tuple[str, ...] = ()
        """After :meth:`finish`: what a reader of the score must know about the pairing."""

    @property
    def left_out(self) -> bool:
        """Whether frames of the video were skipped, so that not all of them were compared."""
        return self._video.skipped > 0

    def of(self, chunk: FrameChunk) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
        """Pair the next frames of the video: (frames, reference frames), valid until the next pair is requested."""
        frames: list[np.ndarray] = []
        references: list[np.ndarray] = []
        video, reference = self._video, self._reference
        video.take(chunk)
        while video.here:
            if not reference.here:
                # The reference's frames are released when the next ones are requested.
                if frames:
                    yield frames, references
                    frames, references = [], []
                if not reference.pull():
                    video.pass_rest(reference.end, self._tick)
                    return
                continue
            if self._partners():
                frames.append(video.pop())
                references.append(reference.pop())
        if frames:
            yield frames, references

    def finish(self) -> None:
        """Read the reference's remaining frames; sets ``problem`` and ``notes``."""
        video, reference = self._video, self._reference
        reference.pass_rest(video.end, self._tick)
        while reference.pull():
            reference.pass_rest(video.end, self._tick)
        if not video.timed(self._align) or not reference.timed(self._align):
            unequal = video.count != reference.count
        else:
            unequal = self._ends_apart()
        if unequal:
            self.problem = self._unequal()
        self.notes = tuple(self._notes())

    def _partners(self) -> bool:
        """Whether the two heads belong together; otherwise skips the earlier one."""
        video, reference = self._video, self._reference
        if not video.timed(self._align) or not reference.timed(self._align):
            return True
        apart = video.time - reference.time
        if abs(apart) <= self._tolerance(video.gap, reference.gap):
            return True
        (video if apart < 0 else reference).skip()
        if video.skipped and reference.skipped:
            raise self._no_partner()
        return False

    def _tolerance(self, one: Fraction, other: Fraction) -> Fraction:
        # If frames follow each other more densely than that, the nearest one counts.
        return max(self._tick, min(_TOLERANCE * max(one, other), min(one, other) / 2))

    def _ends_apart(self) -> bool:
        video, reference = self._video, self._reference
        if video.skipped and reference.skipped:
            raise self._no_partner()
        if not video.skipped and not reference.skipped:
            return video.beyond + reference.beyond > 0
        slower = video if reference.skipped else reference
        return slower.beyond > 0 or abs(video.end - reference.end) > max(video.gap, reference.gap) + self._tick

    def _no_partner(self) -> MediaError:
        video, reference = self._video, self._reference
        first = min(side.first_skipped for side in (video, reference))
        return MediaError(
            f"{video.path}: {video.rate}, but its reference {reference.path} has {reference.rate}: from "
            f"{float(first):.3f} s on their frames are shown at different times",
            _ONE_RATE,
        )

    def _unequal(self) -> MediaError:
        video, reference = self._video, self._reference
        if video.skipped or reference.skipped:
            return MediaError(
                f"{video.path}: {float(video.end):.2f} s at {video.rate}, but its reference {reference.path} has "
                f"{float(reference.end):.2f} s at {reference.rate}",
                f"export both at one rate and length, or set `frames: common` to compare the time that both have; "
                f"{_BY_INDEX}",
            )
        return MediaError(
            f"{video.path}: {video.count} frames, but its reference {reference.path} has {reference.count}",
            "bring both to one length, or set `frames: common` to compare as many as both have",
        )

    def _notes(self) -> Iterator[str]:
        video, reference = self._video, self._reference
        if not video.timed(self._align) or not reference.timed(self._align):
            if video.fps and reference.fps and abs(video.fps - reference.fps) > _SAME_RATE * video.fps:
                yield f"frames are paired by index, but the video has {video.rate}, its reference {reference.rate}"
            return
        for faster, slower in ((video, reference), (reference, video)):
            if not faster.skipped:
                continue
            if len(faster.steps) == 1:
                (step,) = faster.steps
                every = "every second frame" if step == 2 else f"one frame in {step}"
                yield f"{faster.name} at {step}x the {slower.name}'s frame rate: {every} of it compared"
            else:
                yield f"{faster.name}: frames at whose time the {slower.name} has none are not compared"


class _Side:
    """Video or reference: its current chunk, and what is known about its frames so far."""

    def __init__(self, source: FrameSource, name: str):
        self.path, self.fps, self.name = source.path, source.fps, name
        self._chunks = source.chunks
        self._frames: np.ndarray | tuple = ()
        self._times: Sequence[Fraction] | None = ()
        self._at = 0
        self.count = 0
        """Frames so far, including the current chunk."""
        self.gap = 1 / source.fps if source.fps else Fraction(0)
        """Interval between the head and the frame before it."""
        self.skipped = 0
        """Frames without a partner, at times that both sides have."""
        self.first_skipped = Fraction(0)
        self.beyond = 0
        """Frames after the other side's end."""
        self.steps: set[int] = set()
        """Distances, in frames, from each frame with a partner to the next."""
        self._last: Fraction | None = None
        self._paired: int | None = None

    @property
    def rate(self) -> str:
        """The frame rate, for a message."""
        return f"{float(self.fps):.6g} frames per second" if self.fps else "no constant frame rate"

    @property
    def here(self) -> bool:
        """Whether the current chunk has frames left."""
        return self._at < len(self._frames)

    @property
    def time(self) -> Fraction:
        """When the head is shown."""
        assert self._times is not None, "asked only of a side that is timed"
        return self._times[self._at]

    @property
    def end(self) -> Fraction:
        """End of the last frame seen, assuming it is shown as long as the one before it."""
        return (self._last or Fraction(0)) + self.gap

    def timed(self, align: Align) -> bool:
        """Whether frames are paired by their times."""
        return align == "time" and self._times is not None

    def pull(self) -> bool:
        """Take the next chunk; False if there is none."""
        chunk = next(self._chunks, None)
        if chunk is not None:
            self.take(chunk)
        return chunk is not None

    def take(self, chunk: FrameChunk) -> None:
        """Continue with that chunk."""
        start, count = self.count, len(chunk.frames)
        if chunk.times:
            times = chunk.times
        elif self.fps:
            times = [index / self.fps for index in range(start, start + count)]
        else:
            times = None
        self._frames, self._times, self._at, self.count = chunk.frames, times, 0, start + count
        self._look()

    def pop(self) -> np.ndarray:
        """Return the head, which has a partner, and advance."""
        frame, index = self._frames[self._at], self.count - len(self._frames) + self._at
        if self._paired is not None:
            self.steps.add(index - self._paired)
        self._paired = index
        self._advance()
        return frame

    def skip(self) -> None:
        """Skip the head, which has no partner."""
        if not self.skipped:
            self.first_skipped = self.time
        self.skipped += 1
        self._advance()

    def pass_rest(self, end: Fraction, tick: Fraction) -> None:
        """Skip the rest of the chunk, since the other side ended at ``end``, until when its last frame is shown."""
        while self.here:
            if self._times is not None and self.time < end - max(tick, _TOLERANCE * self.gap):
                self.skip()
            else:
                self.beyond += 1
                self._advance()

    def _advance(self) -> None:
        self._last = None if self._times is None else self.time
        self._at += 1
        self._look()

    def _look(self) -> None:
        if self.here and self._times is not None and self._last is not None:
            self.gap = self.time - self._last
