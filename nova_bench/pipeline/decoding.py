"""Jobs -> batches of decoded videos, ahead of scoring. A video is decoded once, however many scorers want it."""

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
from nova_bench.execute.base import report_step
from nova_bench.prompts.recipes import with_recipes
from nova_bench.scorers.base import Sample, Score, ScorerInfo
from nova_bench.video import Clip, MediaLimits
from nova_bench.video.decoder import ALONE_BYTES, Decoder, decoded_bytes
from nova_bench.video.frame_folder import with_frame_folders
from nova_bench.video.limits import too_large_at_once
from nova_bench.video.source import FrameChunk, FrameSource, source_of

_AHEAD = 2  # files that are decoded or being decoded beyond those of the job at hand
VARIABLE_RATE = "variable frame rate: its frames count as evenly spaced"


@dataclass(frozen=True)
class Job:
    """One artifact, and which scorers still have to see it. ``wants`` holds (index of the scorer, inputs digest)."""

    artifact: str
    path: str
    prompt: str
    reference: str | None
    metadata: Metadata
    wants: tuple[tuple[int, str], ...]
    reference_digest: str = ""
    """The reference's digest in the plan; rows are kept under it."""

    @property
    def title(self) -> str:
        """For people: the file's name, or the prompt of a file that is called by its digest."""
        name = Path(self.path).name
        return shorten(self.prompt) if self.artifact in name and self.prompt else name


@dataclass(frozen=True)
class Decoded:
    """A job with its decoded clips, or the errors that decoding them met. A long video comes as a stream of frames."""

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
        """Why this job can't be scored; None where it can."""
        if isinstance(self.clip, Exception):
            return self.clip
        if needs_reference and isinstance(self.reference, Exception):
            problem = MediaError(f"reference: {one_line(self.reference)}")
            problem.__cause__ = self.reference
            return problem
        return None

    def not_whole(self, needs_reference: bool, limits: MediaLimits) -> Exception | None:
        """Why a scorer that needs all frames at once can't have them; None where it can."""
        for media in (self.clip, self.reference if needs_reference else None):
            if isinstance(media, FrameSource):
                return too_large_at_once(media.path, limits)
        return None

    def sample(self, info: ScorerInfo, align: Align) -> Sample:
        """What the scorer sees."""
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
        """The error for a file that isn't the one that was recorded.

        Some codecs decode damaged bytes without a word, so the bytes are compared with their digest.
        """
        return _changed(self.job.path, self.job.artifact, "recorded", "python -m nova_bench store verify", limits)

    def reference_changed(self, limits: MediaLimits) -> MediaError | None:
        """The error for a reference that isn't the one that was planned."""
        job = self.job
        if job.reference is None or not job.reference_digest:
            return None
        return _changed(job.reference, job.reference_digest, "planned", "run the command again", limits)

    def noted(self, outcome: Score | Exception, info: ScorerInfo) -> Score | Exception:
        """A score with everything that a reader must know of it in ``details["notes"]``, if there is anything."""
        if not isinstance(outcome, Score):
            return outcome
        assert not isinstance(self.clip, Exception), "what couldn't be decoded has no score"
        notes = list(self.clip.notes)
        if info.needs_reference:
            assert isinstance(self.reference, Clip | FrameSource), "nor has what lacks its reference"
            notes += (f"reference: {note}" for note in self.reference.notes)
        if info.even_frames and self.clip.variable_frame_rate:
            notes.append(VARIABLE_RATE)
        notes += outcome.notes
        return replace(outcome, details={**outcome.details, "notes": notes}) if notes else outcome


def _changed(path: str, digest: str, when: str, remedy: str, limits: MediaLimits) -> MediaError | None:
    try:
        if with_frame_folders(with_recipes(file_digest), limits)(Path(path)) == digest:
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
    """Decodes the videos of jobs ahead of their being scored, in processes that are kept from call to call.

    Videos and their references have a process each, so that both can be read frame by frame at the same time.
    """

    def __init__(self, limits: MediaLimits):
        self._limits = limits
        self._decoders: dict[bool, Decoder] = {}

    @property
    def problem(self) -> str:
        """Why files are decoded in this process, to be reported; empty if they are not."""
        return next((decoder.problem for decoder in self._decoders.values() if decoder.problem), "")

    def batches(
        self, jobs: Sequence[Job], infos: Sequence[ScorerInfo], batch_size: int, batch_bytes: int
    ) -> Iterator[list[Decoded]]:
        """Batches of decoded jobs, closed when they are full or heavy. A stream is a batch of its own.

        ``infos``: the scorers that the jobs' ``wants`` count. Frames of a stream must be read before the next batch.
        """
        batch: list[Decoded] = []
        weight = 0
        for entry in self._decode(jobs, infos):
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

    def _decode(self, jobs: Sequence[Job], infos: Sequence[ScorerInfo]) -> Iterator[Decoded]:
        waiting = deque(jobs)
        begun: deque[tuple[Job, bool]] = deque()
        try:
            while waiting or begun:
                if not begun:
                    begun.append(self._begin(waiting.popleft(), infos))
                job, compared = begun.popleft()
                report_step("starting")
                import torch  # noqa: F401  a step of its own: beside other work it may take longer than a file does

                report_step(f"decoding {job.title}")
                started = time.perf_counter()
                clip = self._decoders[False].get()
                reference = self._decoders[True].get() if compared else None
                # How large the videos are is known only now.
                if max(decoded_bytes(clip), decoded_bytes(reference)) <= ALONE_BYTES:
                    while waiting and sum(1 + each for _, each in begun) < _AHEAD:
                        begun.append(self._begin(waiting.popleft(), infos))
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
        """Put a job's files in; whether there is a reference among them."""
        wanted = [infos[index] for index, _ in job.wants]
        comparing = [info for info in wanted if info.needs_reference] if job.reference else []
        for path, scorers in ((job.path, wanted), (job.reference, comparing)):
            if path is not None and scorers:
                whole = not all(info.streams for info in scorers)
                stream = any(info.streams for info in scorers)
                self._decoder(scorers is comparing).put(Path(path), whole=whole, stream=stream)
        return job, bool(comparing)

    def _decoder(self, of_references: bool) -> Decoder:
        if of_references not in self._decoders:
            self._decoders[of_references] = Decoder(self._limits)
        return self._decoders[of_references]
