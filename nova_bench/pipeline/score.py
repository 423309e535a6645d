"""(artifact, scorer) pairs without a row -> rows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeGuard

from nova_bench.assets import asset_path
from nova_bench.config.fields import Align
from nova_bench.config.metadata import Metadata
from nova_bench.config.suite import ExecutionSpec
from nova_bench.core.batches import free_memory, is_out_of_memory, one_line, work_in_batches
from nova_bench.core.errors import MediaError, UserError
from nova_bench.core.interrupts import end_requested
from nova_bench.core.messages import and_more
from nova_bench.core.progress import Progress
from nova_bench.core.steps import report_step
from nova_bench.execute.base import LostWorker
from nova_bench.execute.crew import Arrival
from nova_bench.pipeline.aggregate import collect, needs_details
from nova_bench.pipeline.arrival import arrival_at, code_facts, weight_facts
from nova_bench.pipeline.completion import complete
from nova_bench.pipeline.decoding import Decoded, Decoding, Job
from nova_bench.pipeline.exchange import Exchange
from nova_bench.pipeline.failures import CAUSE, Failures, failure_cause, failure_details, with_cause
from nova_bench.pipeline.place import Place
from nova_bench.pipeline.plan import Plan, PlannedScorer, with_own_rows
from nova_bench.pipeline.sample_filter import required_units
from nova_bench.pipeline.staffing import Staff
from nova_bench.scorers.base import Score, Scorer, ScorerContext
from nova_bench.scorers.streaming import Part, StreamingScorer, measure
from nova_bench.store import Artifact, Row, Status, Store
from nova_bench.video.limits import MediaLimits

NO_REFERENCE = "no reference clip was given"


@dataclass
class ScoredBatch:
    """Rows of one batch, with its timings."""

    jobs: int
    rows: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    decode_seconds: float = 0.0


@dataclass(frozen=True)
class ScoreSummary:
    """Result of the stage."""

    rows: int
    failed: int
    already_there: int
    passed_over: frozenset[str]
    """Digests of artifacts that failed before and would fail again."""


def score(
    plan: Plan,
    scorers: Sequence[PlannedScorer],
    staff: Staff,
    store: Store,
    progress: Progress,
    failures: Failures,
    make_more: Callable[[], None] = lambda: None,
) -> ScoreSummary:
    """Make every row that the store lacks, for ``scorers`` (those of the plan whose assets are here).

    Rows of a batch are in the store before the next one begins; failed rows are retried only if something they depend
    on has changed. If a scorer's verdicts decide which samples are still needed, ``make_more`` makes them, and they are
    scored in further rounds. TooManyFailures if ``failures`` allows no more.
    """
    causes = {scorer.identity: failure_cause(plan.suite, scorer.info.factory) for scorer in scorers}
    hopeless = set() if plan.suite.execution.retry_failed else _hopeless(store, causes)
    execution = plan.suite.execution
    worker = ScoreWorker(tuple(scorers), execution, plan.suite.reference.align, plan.suite.media)
    jobs, already_there = missing_jobs(plan, scorers, store, hopeless)
    total = failed = 0
    tried: set[tuple[str, int, str]] = set()
    with closing(worker):
        while True:
            rows = _run_jobs(jobs, worker, plan, staff, store, progress, causes, failures)
            total, failed = total + len(rows), failed + rows.count(Status.FAILED)
            tried.update((job.artifact, *want) for job in jobs for want in job.wants)
            if not jobs or not plan.filters:
                return ScoreSummary(
                    total, failed, already_there, _artifacts(plan, store) & {key[0] for key in hopeless}
                )
            make_more()
            jobs = _untried(missing_jobs(plan, scorers, store, hopeless)[0], tried)


def _hopeless(store: Store, causes: Mapping[str, str]) -> set[tuple[str, str, str]]:
    """Keys of failed rows that would fail again, because what they depend on is unchanged."""
    details = store.failure_details(causes)
    return {key for key, known in details.items() if known.get(CAUSE) == causes[key[1]]}


def _artifacts(plan: Plan, store: Store) -> frozenset[str]:
    found = store.artifacts(unit.digest for unit in plan.units).values()
    return frozenset(artifact.sha256 for artifact in found if isinstance(artifact, Artifact))


def _run_jobs(
    jobs: Sequence[Job],
    worker: ScoreWorker,
    plan: Plan,
    staff: Staff,
    store: Store,
    progress: Progress,
    causes: Mapping[str, str],
    failures: Failures,
) -> list[Status]:
    """Score jobs and store their rows; returns the rows' states."""
    execution = plan.suite.execution
    names = {job.artifact: (job.path, job.reference, job.prompt) for job in jobs}
    warned: set[str] = set()

    def warn(text: str) -> None:
        (progress.log if text in warned else progress.warn)(text)
        warned.add(text)

    states: list[Status] = []
    decoded, decode_seconds = 0, 0.0
    with staff.working("score", worker, jobs, warn, execution.stall_seconds) as (batches, advance):
        for batch in batches:
            store.add_rows(
                replace(row, details=with_cause(row.details, causes[row.identity]))
                if row.status == Status.FAILED
                else row
                for row in batch.rows
            )
            for warning in batch.warnings:
                warn(warning)
            for row in batch.rows:
                states.append(row.status)
                if row.status == Status.FAILED:
                    failures.add(f"score: {row.scorer}", row.artifact, row.message, names[row.artifact])
            decoded, decode_seconds = decoded + batch.jobs, decode_seconds + batch.decode_seconds
            _add_scorer_timings(batch, execution.device, store)
            advance(batch.jobs)
            failures.check()
    if decoded:
        store.add_timing("score", "decode", execution.device, decoded, decode_seconds)
    return states


def missing_jobs(
    plan: Plan,
    scorers: Sequence[PlannedScorer],
    store: Store,
    hopeless: Collection[tuple[str, str, str]] = frozenset(),
) -> tuple[list[Job], int]:
    """Jobs for all missing or failed rows known to be needed, and the number of rows that exist already.

    ``hopeless`` are keys of failed rows that get no job.
    """
    artifacts = store.artifacts(unit.digest for unit in plan.units)
    rows = store.rows((scorer.identity for scorer in scorers), needs_details(scorers))
    required = required_units(plan.scorers, lambda scorer: collect(plan.units, scorer, artifacts, rows))
    jobs: dict[tuple[str, str, str | None, Metadata, tuple[int, int] | None], dict[tuple[int, str], None]] = {}
    paths, references, already_there = {}, {}, 0
    with_rows = [(scorers.index(scorer), scorer) for scorer in with_own_rows(scorers)]
    for unit in plan.units:
        artifact = artifacts.get(unit.digest)
        if not isinstance(artifact, Artifact):
            continue
        for index, scorer in with_rows:
            if not scorer.applies_to(unit) or unit.digest not in required.get(scorer.info.name, (unit.digest,)):
                continue
            inputs = scorer.inputs(unit)
            row = rows.get((artifact.sha256, scorer.identity, inputs))
            if row is not None and row.status != Status.FAILED:
                already_there += 1
                continue
            if row is not None and row.key in hopeless:
                continue
            key = (artifact.sha256, unit.prompt, unit.reference, unit.metadata, scorer.info.decode_size)
            jobs.setdefault(key, {})[index, inputs] = None
            paths[artifact.sha256] = str(artifact.path.absolute())
            references[unit.reference] = unit.reference_digest
    return [
        Job(artifact, paths[artifact], prompt, reference, metadata, tuple(wants), size, references[reference])
        # Frames of one size come one after the other, so that they share batches.
        for (artifact, prompt, reference, metadata, size), wants in sorted(
            jobs.items(), key=lambda job: job[0][4] or ()
        )
    ], already_there


def _untried(jobs: Sequence[Job], tried: set[tuple[str, int, str]]) -> list[Job]:
    left = (replace(job, wants=tuple(want for want in job.wants if (job.artifact, *want) not in tried)) for job in jobs)
    return [job for job in left if job.wants]


def _add_scorer_timings(batch: ScoredBatch, device: str, store: Store) -> None:
    totals: dict[str, tuple[int, float]] = {}
    for row in batch.rows:
        items, seconds = totals.get(row.scorer, (0, 0.0))
        totals[row.scorer] = items + 1, seconds + row.seconds
    for name, (items, seconds) in totals.items():
        store.add_timing("score", name, device, items, seconds)


class ScoreWorker:
    """Scores jobs batch by batch; picklable, so it can be sent to another process. Scorers are built on first use."""

    def __init__(self, scorers: tuple[PlannedScorer, ...], execution: ExecutionSpec, align: Align, limits: MediaLimits):
        self._planned, self.device, self._align = scorers, execution.device, align
        self._batch_size, self._batch_bytes = execution.batch_size, execution.batch_megabytes * 2**20
        self._limits, self._decoding = limits, Decoding(limits)
        self._built: dict[int, Scorer | UserError] = {}
        self.place: Place | None = None
        self._is_sent = False

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_built": {}, "_decoding": Decoding(self._limits), "_is_sent": True}

    def close(self) -> None:
        """End the processes that decode."""
        self._decoding.close()

    def __call__(self, jobs: Sequence[Job]) -> Iterator[ScoredBatch]:
        """Yield one batch of rows after another; decoding runs ahead of scoring in processes of its own."""
        exchange = self.place.exchange if self._is_sent and self.place else None
        if exchange is None:
            yield from self._scored(jobs)
            return
        with tempfile.TemporaryDirectory() as folder:
            yield from self._scored([_fetched(job, exchange, Path(folder)) for job in jobs])

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Have the first videos of what comes next decoded beside the scoring of the last ones before."""
        if self.place is None or self.place.exchange is None:  # they are here already
            self._decoding.expect(jobs)

    def sent(self, jobs: Sequence[Job]) -> None:
        """Bring the videos to the exchange, if there is one. UserError if it fails, or something doesn't travel."""
        assert self.place is not None, "it is sent somewhere"
        if (exchange := self.place.exchange) is None:
            return
        there = exchange.names()
        for job in jobs:
            if job.reference is not None or Path(job.path).is_dir():
                raise UserError(
                    f"{job.title}: references and folders of frames don't travel through an exchange",
                    "use a folder that all machines see, without execution.exchange; or --executor local",
                )
            if _exchanged(job) not in there:
                there.add(exchange.put(Path(job.path)))

    def received(self, batch: ScoredBatch) -> ScoredBatch:
        """Rows need no file."""
        return batch

    def _scored(self, jobs: Sequence[Job]) -> Iterator[ScoredBatch]:
        infos = [planned.info for planned in self._planned]
        for batch in self._decoding.batches(jobs, infos, self._batch_size, self._batch_bytes):
            result = ScoredBatch(len(batch), decode_seconds=sum(entry.seconds for entry in batch))
            if self._decoding.problem:
                result.warnings.append(self._decoding.problem)
            streamed = {}
            if batch[0].streams:
                streamed = self._measured(batch[0])
            for index in range(len(self._planned)):
                result.rows += self._score(index, batch, streamed, result.warnings)
            batch.clear()  # no decoded video is kept while waiting for the next ones
            yield result

    def facts(self) -> dict[str, str]:
        """What has to be the same in every worker."""
        return {**code_facts(), **weight_facts(sorted({name for s in self._planned for name in s.info.assets}))}

    def arrival(self) -> Arrival:
        """What this worker says of itself."""
        return arrival_at(self.place, self.device, self.facts())

    def lose(self, job: Job, problem: LostWorker) -> ScoredBatch:
        """The failed rows of a job that every worker crashes on."""
        rows = [complete(self._row(job, index, inputs), problem) for index, inputs in job.wants]
        return ScoredBatch(1, rows)

    def _row(self, job: Job, index: int, inputs: str) -> Row:
        """An empty row of a scorer for a job."""
        planned = self._planned[index]
        return Row(job.artifact, planned.identity, inputs, planned.info.name, planned.info.version, Status.FAILED)

    def _measured(self, entry: Decoded) -> dict[int, Part]:
        """Pass the frames of a stream through all streaming scorers; returns each one's part, by index."""
        parts = {}
        for index, _ in entry.job.wants:
            info = self._planned[index].info
            compares = info.needs_reference
            if not info.streams or (compares and entry.job.reference is None) or entry.problem(compares) is not None:
                continue
            scorer = self._scorer(index)
            if not isinstance(scorer, Exception):
                assert isinstance(scorer, StreamingScorer), f"{info.name} says that it streams"
                parts[index] = Part(scorer.begin, compares)
        report_step(_step(", ".join(self._planned[index].info.name for index in parts), [entry]))
        paired = [part for part in parts.values() if part.paired]
        if parts:
            measure(list(parts.values()), *entry.sources(), self._align)
            for index, part in parts.items():
                if _is_of_all(part.outcome):
                    part.outcome = self._give_up(index, part.outcome)
            for scored, changed in ((parts.values(), entry.changed), (paired, entry.reference_changed)):
                if any(isinstance(part.outcome, Score) for part in scored) and (error := changed(self._limits)):
                    for part in scored:
                        part.outcome = error
        return parts

    def _score(
        self, index: int, batch: list[Decoded], streamed: Mapping[int, Part], warnings: list[str]
    ) -> Iterable[Row]:
        """Rows of one scorer for the jobs of a batch that need it; ``streamed``: what is scored already."""
        planned = self._planned[index]
        info = planned.info
        ready: list[tuple[Decoded, Row]] = []
        for entry in batch:
            for wanted, inputs in entry.job.wants:
                if wanted != index:
                    continue
                row = self._row(entry.job, index, inputs)
                if info.needs_reference and entry.job.reference is None:
                    yield replace(row, status=Status.NOT_MEASURABLE, message=NO_REFERENCE)
                elif (problem := entry.problem(info.needs_reference)) is not None:
                    yield replace(row, message=one_line(problem), details=failure_details(problem, "decode"))
                elif isinstance(unusable := self._scorer(index), Exception):
                    yield complete(row, unusable)
                elif (part := streamed.get(index)) is not None:
                    yield complete(replace(row, seconds=part.seconds), entry.noted(part.result(), info))
                elif (error := entry.not_whole(info.needs_reference, self._limits)) is not None:
                    yield complete(row, error)
                else:
                    ready.append((entry, row))
        if not ready:
            return
        scorer = self._scorer(index)
        assert not isinstance(scorer, Exception), "a scorer that can't be used has no jobs ready"

        def work(part: Sequence[tuple[Decoded, Row]]) -> Sequence[Score]:
            report_step(_step(info.name, [entry for entry, _ in part]))
            return scorer.score([entry.sample(info, self._align) for entry, _ in part])

        started = time.perf_counter()
        try:
            outcomes = list(work_in_batches(ready, len(ready), work, warnings.append))
        except UserError as error:
            problem = self._give_up(index, error)
            outcomes = [(item, problem) for item in ready]
        seconds = (time.perf_counter() - started) / len(ready)
        for (entry, row), outcome in outcomes:
            yield complete(replace(row, seconds=seconds), entry.noted(outcome, info))

    def _scorer(self, index: int) -> Scorer | UserError:
        """The scorer, built on first use; if it can't be built, the error for each of its samples."""
        if index not in self._built:
            planned = self._planned[index]
            report_step(f"the start of {planned.info.name}")
            try:
                self._built[index] = planned.info.build(planned.settings, ScorerContext(self.device, asset_path))
            except (Exception, SystemExit) as error:
                if end_requested():
                    raise KeyboardInterrupt from error
                self._give_up(index, error)
        return self._built[index]

    def _give_up(self, index: int, error: BaseException) -> UserError:
        """Stop using a scorer in this process; returns its samples' error. The other scorers continue."""
        if is_out_of_memory(error):
            free_memory(error)
        message, remedy = (error.message, error.remedy) if isinstance(error, UserError) else (one_line(error), None)
        problem = UserError(f"the scorer can't be used: {message}", remedy)
        problem.__cause__ = error
        self._built[index] = problem
        return problem


def _exchanged(job: Job) -> str:
    """Name of a job's video at the exchange."""
    return f"{job.artifact}{Path(job.path).suffix}"


def _fetched(job: Job, exchange: Exchange, folder: Path) -> Job:
    path = folder / _exchanged(job)
    exchange.get(path.name, path)
    return replace(job, path=str(path))


def _is_of_all(outcome: object) -> TypeGuard[UserError]:
    """Whether an error concerns more than one video: missing or damaged weights, for example."""
    return isinstance(outcome, UserError) and not isinstance(outcome, MediaError)


def _step(scorer: str, entries: Sequence[Decoded]) -> str:
    """What a scorer is working on, as shown while waiting."""
    return f"{scorer} on {and_more(entries[0].job.title, len(entries))}"
