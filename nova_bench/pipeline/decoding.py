"""Jobs -> batches of decoded videos, ahead of scoring.

A video is decoded once, however many scorers need it, and once more for each size that scorers want it resampled to.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nova_bench.config.fields import Align
from nova_bench.config.metadata import Metadata
from nova_bench.core.batches import one_line
from nova_bench.core.errors import FileChanged, MediaError
from nova_bench.core.identity import file_digest
from nova_bench.core.messages import shorten
from nova_bench.core.steps import report_step
from nova_bench.pipeline.plan import content_digest
from nova_bench.scorers.base import Sample, Score, ScorerInfo
from nova_bench.video import Clip, MediaLimits
from nova_bench.video.decoder import ALONE_BYTES, Decoder, decoded_bytes
from nova_bench.video.limits import too_large_at_once
from nova_bench.video.source import FrameChunk, FrameSource, source_of

_AHEAD = 2  # files decoded, or being decoded, ahead of the current job, and more of them if they are small
VARIABLE_RATE = "variable frame rate: its frames count as evenly spaced"


@dataclass(frozen=True)
class Job:
    """One artifact, and the scorers that still have to score it. ``wants``: (index of the scorer, inputs digest)."""

    artifact: str
    path: str
    prompt: str
    reference: str | None
    metadata: Metadata
    wants: tuple[tuple[int, str], ...]
    size: tuple[int, int] | None = None
    """Height and width to which the scorers want frames resampled while they are decoded; None: as stored."""
    reference_digest: str = ""
    """The reference's digest in the plan; rows are kept under it."""

    @property
    def title(self) -> str:
        """For display: the file's name, or the prompt if the file is named by its digest."""
        name = Path(self.path).name
        return shorten(self.prompt) if self.artifact in name and self.prompt else name


@dataclass(frozen=True)
class Decoded:
    """A job with its decoded clips or decoding errors. A long video comes as a stream of frames."""

    job: Job
    clip: Clip | FrameSource | Exception
    reference: Clip | FrameSource | Exception | None
    seconds: float

    @property
    def bytes(self) -> int:
        """Bytes of decoded frames."""
        return decoded_bytes(self.clip) + decoded_bytes(self.reference)

    @property
    def streams(self) -> bool:
        """Whether frames are still to come."""
        return isinstance(self.clip, FrameSource) or isinstance(self.reference, FrameSource)

    def problem(self, needs_reference: bool) -> Exception | None:
        """Why this job can't be scored; None if it can."""
        if isinstance(self.clip, Exception):
            return self.clip
        if needs_reference and isinstance(self.reference, Exception):
            problem = MediaError(f"reference: {one_line(self.reference)}")
            problem.__cause__ = self.reference
            return problem
        return None

    def not_whole(self, needs_reference: bool, limits: MediaLimits) -> Exception | None:
        """Why a scorer that needs all frames at once can't get them; None if it can."""
        for media in (self.clip, self.reference if needs_reference else None):
            if isinstance(media, FrameSource):
                return too_large_at_once(media.path, limits)
        return None

    def sample(self, info: ScorerInfo, align: Align) -> Sample:
        """The scorer's input."""
        clip, reference = self.clip, self.reference if info.needs_reference else None
        assert isinstance(clip, Clip), "see problem and not_whole"
        assert reference is None or isinstance(reference, Clip), "see problem and not_whole"
        return Sample(clip, reference, self.job.prompt, align, self.job.metadata.read(info.reads))

    def sources(self) -> tuple[FrameSource, FrameSource | None]:
        """Video and reference, frame by frame."""
        sources = [source_of(media) if isinstance(media, Clip) else media for media in (self.clip, self.reference)]
        video, reference = (source if isinstance(source, FrameSource) else None for source in sources)
        assert video is not None, "see problem"
        if reference is not None:
            reference.chunks = _of_reference(reference.chunks)
        return video, reference

    def changed(self, limits: MediaLimits) -> MediaError | None:
        """The error if the file is not the recorded one; None if it is.

        Some codecs decode damaged bytes silently, so the bytes are compared with their digest.
        """
        return _changed(self.job.path, self.job.artifact, "recorded", "python -m nova_bench store verify", limits)

    def reference_changed(self, limits: MediaLimits) -> MediaError | None:
        """The error if the reference is not the planned one; None if it is."""
        job = self.job
        if job.reference is None or not job.reference_digest:
            return None
        return _changed(job.reference, job.reference_digest, "planned", "run the command again", limits)

    def noted(self, outcome: Score | Exception, info: ScorerInfo) -> Score | Exception:
        """Add what a reader must know about a score, if anything, as ``details["notes"]``."""
        if not isinstance(outcome, Score):
            return outcome
        assert not isinstance(self.clip, Exception), "a clip that couldn't be decoded has no score"
        notes = list(self.clip.notes)
        if info.needs_reference:
            assert isinstance(self.reference, Clip | FrameSource), "a clip without its reference has no score"
            notes += (f"reference: {note}" for note in self.reference.notes)
        if info.even_frames and self.clip.variable_frame_rate:
            notes.append(VARIABLE_RATE)
        notes += outcome.notes
        return replace(outcome, details={**outcome.details, "notes": notes}) if notes else outcome


def _changed(path: str, digest: str, when: str, remedy: str, limits: MediaLimits) -> MediaError | None:
    try:
        if content_digest(limits, file_digest)(Path(path)) == digest:
            return None
    except OSError as error:
        return MediaError(f"{path}: {error.strerror or error}", "check the path and its permissions")
    return FileChanged(f"{path}: changed since it was {when}", remedy)


def _of_reference(chunks: Iterator[FrameChunk]) -> Iterator[FrameChunk]:
    try:
        yield from chunks
    except MediaError as error:
        raise MediaError(f"reference: {error.message}", error.remedy) from error


class Decoding:
    """Decodes the videos of jobs ahead of scoring, in processes that are kept between calls.

    Videos and their references have a process each, so that both can be read frame by frame at the same time.
    """

    def __init__(self, limits: MediaLimits):
        self._limits = limits
        self._decoders: dict[bool, Decoder] = {}
        self._expected: deque[Job] = deque()
        self._begun: deque[tuple[Job, bool]] = deque()
        """Jobs whose files are in the decoders, and whether they include a reference."""

    @property
    def problem(self) -> str:
        """Why files are decoded in this process, for the report; empty if they are not."""
        return next((decoder.problem for decoder in self._decoders.values() if decoder.problem), "")

    def expect(self, jobs: Sequence[Job]) -> None:
        """Decode ahead also of these, which the call of :meth:`batches` after the next one will ask for."""
        self._expected = deque(jobs)

    def batches(
        self, jobs: Sequence[Job], infos: Sequence[ScorerInfo], batch_size: int, batch_bytes: int
    ) -> Iterator[list[Decoded]]:
        """Yield batches of decoded jobs, closed when they are full or large. A stream is a batch of its own.

        ``infos``: the scorers that the jobs' ``wants`` index. Frames of a stream must be read before the next batch.
        """
        batch: list[Decoded] = []
        weight = 0
        for entry in self._decode(jobs, infos, batch_size, batch_bytes):
            if batch and entry.streams:
                yield batch
                batch, weight = [], 0
            batch.append(entry)
            weight += entry.bytes
            full = len(batch) >= batch_size or weight >= batch_bytes or entry.streams
            del entry
            if full:
                yield batch
                batch, weight = [], 0
        if batch:
            yield batch

    def close(self) -> None:
        """End the processes."""
        for decoder in self._decoders.values():
            decoder.close()
        self._decoders.clear()
        self._begun.clear()

    def _decode(
        self, jobs: Sequence[Job], infos: Sequence[ScorerInfo], batch_size: int, batch_bytes: int
    ) -> Iterator[Decoded]:
        waiting, begun = deque(jobs), self._begun
        if any(job != expected for job, (expected, _) in zip(jobs, begun, strict=False)):
            self.close()
        for _ in range(min(len(jobs), len(begun))):
            waiting.popleft()
        try:
            for _ in jobs:
                if not begun:
                    begun.append(self._begin(waiting.popleft(), infos))
                job, compared = begun.popleft()
                report_step("starting")
                import torch  # noqa: F401  a step of its own: on a busy machine it may take longer than a file

                report_step(f"decoding {job.title}")
                started = time.perf_counter()
                clip = self._decoders[False].get()
                reference = self._decoders[True].get() if compared else None
                # Only now are the sizes of the videos known.
                size = max(decoded_bytes(clip), decoded_bytes(reference))
                if size <= ALONE_BYTES:
                    small = min(ALONE_BYTES, batch_bytes) // size if size else 0
                    ahead = max(_AHEAD, min(batch_size, small))
                    while (source := waiting or self._expected) and sum(1 + each for _, each in begun) < ahead:
                        begun.append(self._begin(source.popleft(), infos))
                entry = Decoded(job, clip, reference, time.perf_counter() - started)
                if isinstance(clip, Clip) and (changed := entry.changed(self._limits)):
                    entry = replace(entry, clip=changed)
                if isinstance(reference, Clip) and (changed := entry.reference_changed(self._limits)):
                    entry = replace(entry, reference=changed)
                del clip, reference
                yield entry
                del entry
        except BaseException:
            self.close()
            raise

    def _begin(self, job: Job, infos: Sequence[ScorerInfo]) -> tuple[Job, bool]:
        """Queue a job's files; returns whether they include a reference."""
        wanted = [infos[index] for index, _ in job.wants]
        comparing = [info for info in wanted if info.needs_reference] if job.reference else []
        for path, scorers in ((job.path, wanted), (job.reference, comparing)):
            if path is not None and scorers:
                whole = not all(info.streams for info in scorers)
                stream = any(info.streams for info in scorers)
                self._decoder(scorers is comparing).put(Path(path), whole=whole, stream=stream, size=job.size)
        return job, bool(comparing)

    def _decoder(self, of_references: bool) -> Decoder:
        if of_references not in self._decoders:
            self._decoders[of_references] = Decoder(self._limits)
        return self._decoders[of_references]
