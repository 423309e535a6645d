"""Jobs -> batches of decoded videos, ahead of scoring. A video is decoded once, however many scorers want it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nova_bench.batches import one_line
from nova_bench.errors import FileChanged, MediaError
from nova_bench.execute import report_step
from nova_bench.identity import file_digest
from nova_bench.scorers.base import Align, Sample, Score, ScorerInfo
from nova_bench.video import Clip, decode_ahead

VARIABLE_RATE = "variable frame rate: its frames count as evenly spaced"


@dataclass(frozen=True)
class Job:
    """One artifact, and which scorers still have to see it. ``wants`` holds (index of the scorer, inputs digest)."""

    artifact: str
    path: str
    prompt: str
    reference: str | None
    wants: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Decoded:
    """A job with its decoded clips, or the errors that decoding them met."""

    job: Job
    clip: Clip | Exception
    reference: Clip | Exception | None
    seconds: float

    @property
    def bytes(self) -> int:
        """Bytes of decoded frames."""
        clips = (self.clip, self.reference)
        return sum(clip.frames.numel() for clip in clips if clip is not None and not isinstance(clip, Exception))

    def problem(self, needs_reference: bool) -> Exception | None:
        """Why this job can't be scored; None where it can."""
        if isinstance(self.clip, Exception):
            return self.clip
        if needs_reference and isinstance(self.reference, Exception):
            problem = MediaError(f"reference: {one_line(self.reference)}")
            problem.__cause__ = self.reference
            return problem
        return None

    def sample(self, with_reference: bool, align: Align) -> Sample:
        """What the scorer sees."""
        return Sample(self.clip, self.reference if with_reference else None, self.job.prompt, align)

    def noted(self, outcome: Score | Exception, info: ScorerInfo) -> Score | Exception:
        """A score with everything that a reader must know of it in ``details["notes"]``, if there is anything."""
        if not isinstance(outcome, Score):
            return outcome
        notes = list(self.clip.notes)
        if info.needs_reference:
            notes += (f"reference: {note}" for note in self.reference.notes)
        if info.even_frames and self.clip.variable_frame_rate:
            notes.append(VARIABLE_RATE)
        notes += outcome.notes
        return replace(outcome, details={**outcome.details, "notes": notes}) if notes else outcome


def decoded_batches(
    jobs: Sequence[Job], reference: Callable[[Job], str | None], batch_size: int, batch_bytes: int
) -> Iterator[list[Decoded]]:
    """Batches of decoded jobs, closed when they are full or heavy; ``reference`` names the one to decode with a job."""
    batch: list[Decoded] = []
    weight = 0
    for entry in _decode(jobs, reference):
        batch.append(entry)
        weight += entry.bytes
        del entry
        if len(batch) >= batch_size or weight >= batch_bytes:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def _decode(jobs: Sequence[Job], reference: Callable[[Job], str | None]) -> Iterator[Decoded]:
    media = decode_ahead([path for job in jobs for path in (job.path, reference(job)) if path])
    for job in jobs:
        report_step("decoding")
        started = time.perf_counter()
        path, clip = next(media)
        compared = next(media)[1] if reference(job) else None
        # Some codecs decode damaged bytes without a word, so the bytes are compared with their digest.
        if not isinstance(clip, Exception) and _digest(path) != job.artifact:
            clip = FileChanged(f"{path}: changed since it was recorded", "python -m nova_bench store verify")
        yield Decoded(job, clip, compared, time.perf_counter() - started)
        del clip, compared


def _digest(path: Path) -> str:
    """SHA-256 of a file; empty if it is gone by now, or changes all the time."""
    try:
        return file_digest(path)
    except OSError:
        return ""
