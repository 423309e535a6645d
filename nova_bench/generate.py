"""Units whose artifact is missing -> videos and images, persisted before anything is scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nova_bench.batches import one_line, work_in_batches
from nova_bench.models.base import ModelAdapter, Output, Unit
from nova_bench.plan import Plan
from nova_bench.progress import Progress
from nova_bench.store import Artifact, Store


@dataclass(frozen=True)
class GenerateSummary:
    """What the stage did."""

    made: int
    failed: int
    already_there: int


def generate(plan: Plan, adapter: ModelAdapter, store: Store, progress: Progress) -> GenerateSummary:
    """Make every unit that the store lacks; units that failed before are tried again.

    Each finished unit is in the store before the next batch begins. StoreError where the store can't take it.
    """
    there = store.artifacts(unit.digest for unit in plan.units)
    missing = [unit for unit in plan.units if not isinstance(there.get(unit.digest), Artifact)]
    made = failed = 0
    started = time.perf_counter()
    with progress.stage("generate", len(missing)) as advance:
        for unit, output in work_in_batches(missing, plan.suite.execution.batch_size, _worker(adapter), progress.warn):
            error = one_line(output) if isinstance(output, Exception) else output.error
            if error is None:
                _keep(output, plan, store)
                made += 1
            else:
                store.add_failure(unit.digest, error)
                progress.log(f"generate: {unit.prompt!r} sample {unit.sample_index}: {error}")
                failed += 1
            advance(1)
    if made:
        store.add_timing("generate", adapter.digest(), plan.suite.execution.device, made, time.perf_counter() - started)
    return GenerateSummary(made, failed, len(plan.units) - len(missing))


def _worker(adapter: ModelAdapter) -> Callable[[Sequence[Unit]], Sequence[Output]]:
    def work(units: Sequence[Unit]) -> Sequence[Output]:
        started = time.perf_counter()
        outputs = {output.unit.digest: output for output in adapter.generate(units)}
        seconds = (time.perf_counter() - started) / len(units)
        return [_timed(outputs[unit.digest], seconds) for unit in units]

    return work


def _timed(output: Output, seconds: float) -> Output:
    return Output(output.unit, output.frames, output.path, output.error, {"seconds": seconds, **output.details})


def _keep(output: Output, plan: Plan, store: Store) -> None:
    if output.path is not None:
        store.add_external(output.unit.digest, output.path, output.unit.content_digest)
        return
    suffix, write = _writer(output, plan)
    store.add_artifact(output.unit.digest, suffix, write, output.details["seconds"], output.details)


def _writer(output: Output, plan: Plan) -> tuple[str, Callable[[Path], object]]:
    """File type and writing function for the frames of an output: PNG for images, h264 or FFV1 for videos."""
    from nova_bench.video import write_image, write_lossless, write_mp4

    frames, fps = output.frames, plan.suite.sampling.fps
    if len(frames) == 1:
        return ".png", lambda path: write_image(path, frames[0])
    if plan.suite.sampling.lossless:
        return ".mkv", lambda path: write_lossless(path, frames, fps)
    return ".mp4", lambda path: write_mp4(path, frames, fps)
