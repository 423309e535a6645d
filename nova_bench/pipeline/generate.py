"""Units without an artifact -> videos and images, stored before anything is scored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.config.catalog import ADAPTERS
from nova_bench.config.units import Unit
from nova_bench.core.batches import batches_of_work, one_line
from nova_bench.core.errors import FileChanged, UserError
from nova_bench.core.identity import prompt_id
from nova_bench.core.progress import Progress
from nova_bench.models.base import ModelAdapter, Output
from nova_bench.pipeline.failures import CAUSE, Failures, failure_cause, failure_details, with_cause
from nova_bench.pipeline.plan import Plan, content_digest
from nova_bench.store import Artifact, Draft, FailedUnit, Store
from nova_bench.video import write_image, write_lossless, write_mp4
from nova_bench.video.frame_folder import FOLDER_FPS

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GenerateSummary:
    """Result of the stage."""

    made: int
    failed: int
    already_there: int
    passed_over: frozenset[str]
    """Digests of units that failed before and would fail again."""


def generate(
    plan: Plan, adapter: ModelAdapter, store: Store, progress: Progress, failures: Failures | None = None
) -> GenerateSummary:
    """Make every unit that the store lacks; a failed one is retried only if what it depends on has changed.

    Each finished batch is in the store before the next one begins. StoreError if the store can't be written, UserError
    if the model's files changed after they were planned, TooManyFailures if ``failures`` allows no more.
    """
    failures = failures or Failures(progress)
    cause = failure_cause(plan.suite, ADAPTERS.get(plan.suite.model.adapter).factory)
    there = store.artifacts(unit.digest for unit in plan.units)
    hopeless = frozenset(
        unit
        for unit, found in there.items()
        if isinstance(found, FailedUnit) and found.details.get(CAUSE) == cause and not plan.suite.execution.retry_failed
    )
    digest = content_digest(plan.suite.media, store.file_digest)
    missing = [
        unit for unit in plan.units if not isinstance(there.get(unit.digest), Artifact) and unit.digest not in hopeless
    ]
    made = 0
    started = time.perf_counter()
    with progress.stage("generate", len(missing)) as advance:
        for batch in batches_of_work(missing, plan.suite.execution.batch_size, _worker(adapter), progress.warn):
            if not made:
                _refuse_changed(plan, adapter)
            batch = [(unit, _changed(unit, plan, digest) or output) for unit, output in batch]
            results = store.add_units([_entry(unit, output, plan, cause) for unit, output in batch])
            for (unit, _), result in zip(batch, results, strict=True):
                if isinstance(result, FailedUnit):
                    names = (unit.source, unit.image, unit.reference, unit.prompt)
                    failures.add("generate", unit.digest, result.error, names)
                else:
                    made += 1
            advance(len(batch))
            failures.check()
    if made:
        store.add_timing("generate", adapter.digest(), plan.suite.execution.device, made, time.perf_counter() - started)
    return GenerateSummary(made, len(missing) - made, len(plan.units) - len(missing) - len(hopeless), hopeless)


def _worker(adapter: ModelAdapter) -> Callable[[Sequence[Unit]], Sequence[Output]]:
    def work(units: Sequence[Unit]) -> Sequence[Output]:
        started = time.perf_counter()
        outputs = {output.unit.digest: output for output in adapter.generate(units)}
        seconds = (time.perf_counter() - started) / len(units)
        return [_timed(outputs.get(unit.digest) or Output(unit), seconds) for unit in units]

    return work


def _timed(output: Output, seconds: float) -> Output:
    return Output(output.unit, output.frames, output.path, output.error, {"seconds": seconds, **output.details})


def _refuse_changed(plan: Plan, adapter: ModelAdapter) -> None:
    """Raise UserError if the loaded model is no longer the planned one."""
    if plan.model and adapter.digest() != plan.model:
        raise UserError(
            f"model {plan.suite.model.adapter}: its files changed after the run was planned",
            "run the command again when they are complete",
        )


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


def _entry(unit: Unit, output: Output | Exception, plan: Plan, cause: str) -> Draft | Artifact | FailedUnit:
    """The store's entry for one output; a failure includes what it depends on."""

    def failure(error: Exception) -> dict[str, Any]:
        return with_cause(failure_details(error), cause)

    entry = _made(unit, output, plan)
    if isinstance(entry, FailedUnit):
        return replace(entry, details=with_cause(entry.details, cause))
    return replace(entry, failure=failure) if isinstance(entry, Draft) else entry


def _made(unit: Unit, output: Output | Exception, plan: Plan) -> Draft | Artifact | FailedUnit:
    if isinstance(output, Exception):
        return FailedUnit(unit.digest, one_line(output), failure_details(output))
    if isinstance(output.error, Exception):
        return _made(unit, output.error, plan)
    if output.error is not None:
        return FailedUnit(unit.digest, output.error)
    if output.path is not None:
        rate = {FOLDER_FPS: output.details[FOLDER_FPS]} if FOLDER_FPS in output.details else {}
        return _external(unit, output.path, rate)
    if output.frames is None:
        return FailedUnit(unit.digest, "the model made nothing of it")
    if problem := _no_pixels(output.frames):
        return FailedUnit(unit.digest, problem)
    suffix, write = _writer(output.frames, plan)
    return Draft(unit.digest, suffix, write, output.details["seconds"], output.details)


def _no_pixels(frames: Any) -> str | None:
    """Why frames are not uint8 [T, H, W, 3]; None if they are. Numbers of another type are never cast to bytes."""
    import torch

    if not hasattr(frames, "dtype"):
        return f"the model made a {type(frames).__name__}, not a tensor of pixels"
    shape, dtype = list(frames.shape), str(frames.dtype).removeprefix("torch.")
    if dtype != "uint8":
        finite = bool(torch.as_tensor(frames).isfinite().all())
        return f"the model made {dtype} pixels, not uint8: " + (
            "it must scale them to 0..255 and round"
            if finite
            else "some are not finite (NaN or infinity), as half precision often causes; try float32 or bfloat16"
        )
    if len(shape) != 4 or shape[-1] != 3 or 0 in shape:
        return f"the model made pixels of shape {shape}, not [frames, height, width, 3]"
    return None


def _external(unit: Unit, path: Path, details: dict[str, Any]) -> Artifact | FailedUnit:
    try:
        size = path.stat().st_size
        return Artifact(unit.digest, unit.content_digest, path.resolve(), size, external=True, details=details)
    except OSError as error:
        return FailedUnit(unit.digest, f"{path}: {error.strerror or error}", failure_details(error))


def _writer(frames: Tensor, plan: Plan) -> tuple[str, Callable[[Path], object]]:
    """File type and writing function for frames: PNG for images, h264 or FFV1 for videos."""
    fps = plan.suite.sampling.fps
    if len(frames) == 1:
        return ".png", lambda path: write_image(path, frames[0])
    if plan.suite.sampling.lossless:
        return ".mkv", lambda path: write_lossless(path, frames, fps)
    return ".mp4", lambda path: write_mp4(path, frames, fps)
