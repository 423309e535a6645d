"""Units without an artifact -> videos and images, stored before anything is scored."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from nova_bench.config.catalog import ADAPTERS
from nova_bench.config.units import Unit
from nova_bench.core.batches import one_line
from nova_bench.core.errors import FileChanged
from nova_bench.core.identity import prompt_id
from nova_bench.core.progress import Progress
from nova_bench.pipeline.failures import CAUSE, Failures
from nova_bench.pipeline.generate_worker import Entry, GenerateWorker
from nova_bench.pipeline.plan import Plan, content_digest
from nova_bench.pipeline.staffing import Staff
from nova_bench.store import Artifact, Draft, FailedUnit, Store

GENERATING_TIMES = 10
"""A step of generating may take this many times as long as one of scoring: loading a model, or a whole batch of it."""


@dataclass(frozen=True)
class GenerateSummary:
    """Result of the stage."""

    made: int
    failed: int
    already_there: int
    passed_over: frozenset[str]
    """Digests of units that failed before and would fail again."""


def generate(
    plan: Plan, worker: GenerateWorker, staff: Staff, store: Store, progress: Progress, failures: Failures
) -> GenerateSummary:
    """Make every unit that the store lacks; a failed one is retried only if what it depends on has changed.

    ``staff`` decides where; only this process writes to the store. Each finished batch is in the store
    before the next one is taken. StoreError if the store can't be written, UserError if the model's files changed after
    they were planned, TooManyFailures if ``failures`` allows no more.
    """
    there = store.artifacts(unit.digest for unit in plan.units)
    hopeless = frozenset(
        unit
        for unit, found in there.items()
        if isinstance(found, FailedUnit)
        and found.details.get(CAUSE) == worker.cause
        and not plan.suite.execution.retry_failed
    )
    digest = content_digest(plan.suite.media, store.file_digest)
    missing = [
        unit for unit in plan.units if not isinstance(there.get(unit.digest), Artifact) and unit.digest not in hopeless
    ]
    made = 0
    started = time.perf_counter()
    execution = plan.suite.execution
    # A model whose samples exist already has nothing to load, so workers would only cost their start.
    here = all(unit.source for unit in missing)
    # In this process it may be slow without a warning.
    stall_seconds = None if here or execution.executor == "inline" else GENERATING_TIMES * execution.stall_seconds
    with staff.working("generate", worker, missing, progress.warn, stall_seconds, here) as (batches, advance):
        for found in batches:
            for warning in found.warnings:
                progress.warn(warning)
            for notice in found.notices:
                progress.notice(*notice)
            batch = [(unit, _unless_changed(unit, entry, plan, digest, worker)) for unit, entry in found.entries]
            results = store.add_units([entry for _, entry in batch])
            for (unit, _), result in zip(batch, results, strict=True):
                if isinstance(result, FailedUnit):
                    names = (unit.source, unit.image, unit.reference, unit.prompt)
                    failures.add("generate", unit.digest, result.error, names)
                else:
                    made += 1
            advance(len(batch))
            failures.check()
    if made:
        store.add_timing("generate", plan.model, execution.device, made, time.perf_counter() - started)
    return GenerateSummary(made, len(missing) - made, len(plan.units) - len(missing) - len(hopeless), hopeless)


def _unless_changed(
    unit: Unit, entry: Entry, plan: Plan, digest: Callable[[Path], str], worker: GenerateWorker
) -> Entry:
    """The entry, or a failure if a file that the unit was made from is no longer the planned one."""
    if (error := _changed(unit, plan, digest)) is None:
        return replace(entry, failure=worker.failure) if isinstance(entry, Draft) else entry
    return FailedUnit(unit.digest, one_line(error), worker.failure(error))


def _changed(unit: Unit, plan: Plan, digest: Callable[[Path], str]) -> FileChanged | None:
    """The error if a first frame or reference, after its use, is no longer the planned one; None if it is."""
    uses_reference = ADAPTERS.get(plan.suite.model.adapter).uses_reference
    for path, is_planned in (
        (unit.image, lambda found: prompt_id(unit.prompt, found) == unit.prompt_id),
        (unit.reference if uses_reference else None, lambda found: found == unit.reference_digest),
    ):
        with suppress(OSError):  # the model's own error says so
            if path is not None and not is_planned(digest(Path(path))):
                return FileChanged(f"{path}: changed since it was planned", "run the command again")
    return None
