"""What a run would do, without doing it: counts, missing assets, disk and time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from nova_bench.assets import asset_digest
from nova_bench.assets.cache import megabytes
from nova_bench.config.catalog import ADAPTERS
from nova_bench.config.suite import Suite
from nova_bench.config.units import Unit
from nova_bench.core.progress import Progress
from nova_bench.core.remembered_digests import digest_once
from nova_bench.core.visible_text import visible_line
from nova_bench.execute.cards import probable_device
from nova_bench.pipeline.aggregate import SampleScore, collect, needs_details
from nova_bench.pipeline.filter_cost import FilterCost, filter_costs
from nova_bench.pipeline.generate_worker import build_adapter
from nova_bench.pipeline.needs import absent_assets, fetch_line
from nova_bench.pipeline.operations import estimate
from nova_bench.pipeline.plan import Plan, PlannedScorer, make_plan, with_own_rows
from nova_bench.pipeline.run import notice_prompts
from nova_bench.pipeline.run_time import Device, seconds_left
from nova_bench.pipeline.sample_filter import required_plan, required_units
from nova_bench.store import Artifact, FailedUnit, Row, Status, Store

# h264 at the default quality stays below this on natural video; used until the store has videos to measure.
BITS_PER_PIXEL = 0.15
# Images are PNG: about half of the 24 bits on photographs, less on drawings.
IMAGE_BITS_PER_PIXEL = 12.0


@dataclass(frozen=True)
class ScorerPreview:
    """Progress of one scorer. ``seconds`` is the time for the missing rows, estimated from the store's timings."""

    name: str
    done: int
    missing: int
    needs: tuple[str, ...]
    seconds: float | None
    at_least: bool = False
    """Whether there may be more to do, depending on verdicts to come."""
    failed: int = 0
    """How many of the missing failed before; they are retried if something changed, or with --retry-failed."""


@dataclass(frozen=True)
class Preview:
    """What a run would do."""

    plan: Plan
    units_done: int
    units_missing: int
    units_failed: int
    scorers: tuple[ScorerPreview, ...]
    missing_assets: tuple[str, ...]
    disk_bytes: float | None
    generate_seconds: float | None
    decode_seconds: float | None
    filters: tuple[tuple[FilterCost, float | None], ...] = ()
    """What each sample filter costs, and the seconds for making and scoring one of its samples, if known."""

    @property
    def unscored(self) -> int:
        """Samples that no scorer applies to."""
        return sum(not any(scorer.applies_to(unit) for scorer in self.plan.scorers) for unit in self.plan.units)

    @property
    def seconds(self) -> float | None:
        """Time for all that is left to do; None if a part of it was never timed."""
        parts = (self.generate_seconds, self.decode_seconds, *(scorer.seconds for scorer in self.scorers))
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    def seconds_left(self, device: Device) -> float:
        """At least so long, see :func:`~nova_bench.pipeline.run_time.seconds_left`."""
        return seconds_left(self, device)

    @property
    def summary(self) -> str:
        """How much there is to do, in a few words."""
        return f"{len(self.plan.units)} samples, {len(self.scorers)} scorers"

    def text(self) -> str:
        """For display: a table of the work, then one line each for assets, disk and time."""
        from tabulate import tabulate

        units = len(self.plan.units)
        prompts = len({unit.prompt_id for unit in self.plan.units})
        failed = f" ({self.units_failed} failed before)" if self.units_failed else ""
        more = " or more" if any(cost.least < cost.most for cost, _ in self.filters) else ""
        unmade = f"{self.units_missing}{more}{failed}"
        rows = [["samples", self.units_done, unmade, duration(self.generate_seconds), ""]]
        for scorer in self.scorers:
            needs = ", ".join(scorer.needs)
            missing = f"{scorer.missing} or more" if scorer.at_least and scorer.missing else scorer.missing
            missing = f"{missing} ({scorer.failed} failed before)" if scorer.failed else missing
            rows.append([scorer.name, scorer.done, missing, duration(scorer.seconds), needs])
        lines = [
            f"run {self.plan.run_name}: samples: {units}, prompts: {prompts}, scorers: {len(self.scorers)}",
            "",
            tabulate(rows, ["", "done", "missing", "time left", "needs"]),
            "",
        ]
        if self.unscored and self.scorers:
            lines.append(
                f"{self.unscored} samples have tags that no scorer of the suite selects (--dims leaves them out)"
            )
        lines += [cost.text(seconds, self.seconds) for cost, seconds in self.filters]
        lines += [f"missing: {visible_line(name)}" for name in self.missing_assets] or ["assets: none missing"]
        lines.append(f"disk: {self._disk()}")
        if self.seconds is None:
            lines.append("time: unknown for entries with ?, until a run has timed them (try --limit)")
        else:
            lines.append(f"time: {duration(self.seconds)}, at the speed of earlier runs")
        if (on_gpu := self._on_gpu()) is not None:
            lines.append(on_gpu)
        return "\n".join(lines)

    def _on_gpu(self) -> str | None:
        sampling = self.plan.suite.sampling
        if not (sampling.num_frames and sampling.height and sampling.width and sampling.fps):
            return None
        left = ((scorer.name, scorer.missing) for scorer in self.scorers)
        return estimate(left, sampling.num_frames, sampling.height, sampling.width, sampling.fps)

    def _disk(self) -> str:
        if self.disk_bytes is None:
            return "unknown; set sampling.num_frames, height and width for an estimate"
        if any(unit.source for unit in self.plan.units):
            return "none; the files stay where they are"
        return f"about {megabytes(self.disk_bytes)} for the missing samples" if self.disk_bytes else "no more is needed"


def preview_suite(suite: Suite, root: Path, limit: int | None, progress: Progress) -> Preview:
    """Plan a suite and compare the plan with the store at ``root``, if there is one. Writes nothing.

    ``progress`` reports what is left out of the plan, and which prompts the model truncates or can't tell apart.
    """
    with ExitStack() as stack:
        store = stack.enter_context(Store.reader(root)) if Store.exists(root) else None
        digest: Callable[[Path], str] = store.file_digest if store else digest_once
        execution = suite.execution.model_copy(update={"device": probable_device(suite.execution.device)})
        suite = suite.model_copy(update={"execution": execution})
        adapter = build_adapter(suite, digest, progress.notice)
        plan = make_plan(suite, adapter, digest, asset_digest, limit, progress.notice)
        notice_prompts(plan, progress.notice)
        return preview_plan(plan, store, adapter.digest())


def preview_plan(plan: Plan, store: Store | None, adapter_digest: str) -> Preview:
    """Compare a plan with what a store has; ``adapter_digest`` is that of the model that generates."""
    artifacts = store.artifacts(unit.digest for unit in plan.units) if store else {}
    rows = store.rows((s.identity for s in plan.scorers), needs_details(plan.scorers)) if store else {}
    speeds = _Speeds(store, plan.suite.execution.device)
    unscored: set[str] = set()
    here = {digest: found for digest, found in artifacts.items() if isinstance(found, Artifact)}
    scorers: list[ScorerPreview] = []
    assets: set[str] = set()

    def scores_of(scorer: PlannedScorer) -> tuple[SampleScore, ...]:
        return collect(plan.units, scorer, artifacts, rows)

    required = required_units(plan.scorers, scores_of)
    costs = filter_costs(plan, scores_of, required, here.__contains__)
    growing = {name for cost in costs if cost.least < cost.most for name in (cost.metric, cost.decider)}
    for scorer in with_own_rows(plan.scorers):
        if scorer.optional and not any(map(scorer.applies_to, plan.units)):
            continue
        asked = required.get(scorer.info.name)
        applies = [u for u in plan.units if scorer.applies_to(u) and (asked is None or u.digest in asked)]
        states = {unit.digest: _state(unit, scorer, here, rows) for unit in applies}
        left = [unit for unit, state in states.items() if state in (None, Status.FAILED)]
        failed = list(states.values()).count(Status.FAILED)
        absent = tuple(asset.title for asset in absent_assets(scorer.info.assets))
        if scorer.optional and absent:  # it will be left out
            left, failed, absent = [], 0, tuple(f"{title} (optional)" for title in absent)
        else:
            assets.update(scorer.info.assets)
        unscored.update(left)
        seconds = speeds.seconds("score", scorer.info.name, len(left))
        done = len(applies) - len(left)
        at_least = scorer.info.name in growing
        scorers.append(ScorerPreview(scorer.info.name, done, len(left), absent, seconds, at_least, failed))
    asked_for = required_plan(plan, artifacts, rows).units
    done_units = sum(unit.digest in here for unit in asked_for)
    missing_units = len(asked_for) - done_units
    return Preview(
        plan,
        done_units,
        missing_units,
        sum(isinstance(artifacts.get(unit.digest), FailedUnit) for unit in asked_for),
        tuple(scorers),
        (
            *(ADAPTERS.get(plan.suite.model.adapter).missing(plan.suite.model) if missing_units else ()),
            *([fetch_line(absent_files, plan.suite.name)] if (absent_files := absent_assets(sorted(assets))) else ()),
        ),
        _disk(plan, store, here, missing_units),
        speeds.seconds("generate", adapter_digest, missing_units),
        speeds.seconds("score", "decode", len(unscored)),
        tuple((cost, speeds.of_one(adapter_digest, cost.metric, cost.decider)) for cost in costs),
    )


def _state(unit: Unit, scorer: PlannedScorer, here: dict[str, Artifact], rows: dict[tuple, Row]) -> Status | None:
    """How scoring a unit ended; None if it hasn't happened yet."""
    if unit.digest not in here:
        return None
    row = rows.get((here[unit.digest].sha256, scorer.identity, scorer.inputs(unit)))
    return None if row is None else row.status


class _Speeds:
    """Seconds per item as the store measured them on the suite's device."""

    def __init__(self, store: Store | None, device: str):
        self._known: dict[tuple[str, str], float] = {}
        for (stage, what, where), value in (store.seconds_per_item() if store else {}).items():
            if device == where:
                self._known[stage, what] = max(value, self._known.get((stage, what), 0.0))

    def seconds(self, stage: str, what: str, count: int) -> float | None:
        """Time for ``count`` items; None if none was ever timed."""
        if count == 0:
            return 0.0
        speed = self._known.get((stage, what))
        return None if speed is None else speed * count

    def of_one(self, adapter: str, *scorers: str) -> float | None:
        """Time for making a sample, decoding it and scoring it with ``scorers``; None if a part was never timed."""
        parts = [("generate", adapter), ("score", "decode"), *(("score", name) for name in scorers)]
        known = [self._known[part] for part in parts if part in self._known]
        return sum(known) if len(known) == len(parts) else None


def _disk(plan: Plan, store: Store | None, here: dict[str, Artifact], count: int) -> float | None:
    """Bytes that ``count`` missing samples will take, from this plan's own samples, else from the number of pixels."""
    if not count or any(unit.source for unit in plan.units):
        return 0.0
    if here:
        return count * sum(artifact.size for artifact in here.values()) / len(here)
    sampling = plan.suite.sampling
    if sampling.num_frames and sampling.height and sampling.width:
        bits = IMAGE_BITS_PER_PIXEL if sampling.num_frames == 1 else BITS_PER_PIXEL
        return count * sampling.num_frames * sampling.height * sampling.width * bits / 8
    mean = store.mean_artifact_size() if store else None
    return None if mean is None else count * mean


def duration(seconds: float | None) -> str:
    """Format as 0:01:23, or as a question mark if nothing was ever timed."""
    return "?" if seconds is None else str(timedelta(seconds=round(seconds)))
