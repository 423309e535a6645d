"""From a suite to its scores in the store: plan, generate, score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from nova_bench.assets import asset_digest
from nova_bench.config.catalog import ADAPTERS
from nova_bench.config.suite import Suite
from nova_bench.config.units import Unit
from nova_bench.core.device import resolve_device
from nova_bench.core.progress import Progress, log_to
from nova_bench.models.base import ModelAdapter
from nova_bench.pipeline.aggregate import needs_details
from nova_bench.pipeline.failures import Failures, TooManyFailures
from nova_bench.pipeline.generate import generate
from nova_bench.pipeline.generate_worker import GenerateWorker, build_adapter
from nova_bench.pipeline.long_videos import notice_long_videos
from nova_bench.pipeline.manifest import plan_content, read_manifest, write_manifest
from nova_bench.pipeline.needs import absent_assets, fetch_line
from nova_bench.pipeline.places import Places
from nova_bench.pipeline.plan import Plan, PlannedScorer, make_plan
from nova_bench.pipeline.record import record_of
from nova_bench.pipeline.sample_filter import required_plan
from nova_bench.pipeline.score import score
from nova_bench.pipeline.staffing import Staff, kinds_of_devices
from nova_bench.prompts.reading import make_prompt_files
from nova_bench.store import Store
from nova_bench.store.file_system import network_file_system


def measure_suite(suite: Suite, store: Store, limit: int | None, progress: Progress) -> tuple[Plan, Path]:
    """Plan, generate and score a suite; return the plan and the run's folder, with manifest and log."""
    try:
        return measure_plan(*plan_suite(suite, store, limit, progress), store, progress)
    finally:
        progress.notices.clear()


def plan_suite(suite: Suite, store: Store, limit: int | None, progress: Progress) -> tuple[Plan, ModelAdapter]:
    """Plan a suite on this machine's device; also returns its model, which isn't loaded yet."""
    execution = suite.execution.model_copy(update={"device": resolve_device(suite.execution.device)})
    suite = suite.model_copy(update={"execution": execution})
    adapter = build_adapter(suite, store.file_digest, progress.notice)
    with progress.stage("plan", 0):
        return make_plan(suite, adapter, store.file_digest, asset_digest, limit, progress.notice), adapter


def measure_plan(plan: Plan, adapter: ModelAdapter, store: Store, progress: Progress) -> tuple[Plan, Path]:
    """Generate and score what the store lacks of a plan; returns the plan and the run's folder."""
    started, execution = datetime.now(UTC), plan.suite.execution
    folder = store.run_folder(plan.run_name)
    with log_to(folder / "run.log", Places(store.root, plan.units).text):
        progress.say(
            f"run {plan.run_name}: {len(plan.units)} samples, {len(plan.scorers)} scorers, store {store.root.name}"
        )
        if kind := network_file_system(store.root):
            progress.warn(
                f"the store is on a network file system ({kind}), where it is slow and may lose its lock; a local disk "
                "is better (--store FOLDER)"
            )
        store.add_run(record_of(plan))
        notice_prompts(plan, progress.notice)
        store.set_notices(plan.run_id, progress.notices)
        progress.notices.clear()
        try:
            try:
                _work(plan, adapter, store, progress)
            except TooManyFailures as stop:
                progress.warn(str(stop))
            finally:
                _notice_kinds_of_devices(folder, progress)
                store.add_notices(plan.run_id, progress.notices)
            store.back_up()
        finally:
            write_manifest(folder, plan_content(plan), execution.device, started, progress.seconds, progress.held)
    return plan, folder


def _notice_kinds_of_devices(folder: Path, progress: Progress) -> None:
    """Say so if cards of several kinds made the samples, or the scores."""
    earlier = read_manifest(folder).get("invocations", [])
    for stage, names in kinds_of_devices(progress.held, earlier).items():
        progress.notice(
            f"several kinds of device worked at this run ({stage}: {', '.join(names)}): their numbers can differ in "
            "the last digits"
        )


def notice_prompts(plan: Plan, notice: Callable[..., None]) -> None:
    """Report the prompts that the model truncates, and those it can't tell apart."""
    suite = plan.suite
    prompts = [*(unit.model_text for unit in plan.units), suite.sampling.negative_prompt or ""]
    ADAPTERS.get(suite.model.adapter).prompt_notices(suite.model, prompts, notice)


def _work(plan: Plan, adapter: ModelAdapter, store: Store, progress: Progress) -> None:
    """Generate and score what the store lacks. TooManyFailures if more samples fail than the suite allows."""
    make_prompt_files(plan.suite, plan.units, store.file_digest, progress)
    failures = Failures(progress, plan.suite.execution.max_failures)
    worker = GenerateWorker(plan.suite, adapter, plan.model)
    with Staff(plan.suite.execution, store, progress) as staff:
        maker = _Maker(plan, worker, staff, store, progress, failures)
        try:
            maker.make()
            if not plan.filters:
                staff.dismiss()  # scoring gets the memory that the model had
            notice_long_videos(plan, store, progress.notice)
            if maker.already_there:
                progress.say(f"{maker.already_there} samples were there already")
            scored = score(plan, _computable(plan, progress), staff, store, progress, failures, maker.make)
            if scored.already_there:
                progress.say(f"{scored.already_there} scores were there already")
        finally:
            failures.log_counts()
    if passed_over := maker.passed_over + len(scored.passed_over):
        progress.say(
            f"{passed_over} samples that failed before were not retried: their files, the limits and the code are "
            "unchanged (--retry-failed retries them)"
        )


@dataclass
class _Maker:
    """Makes the samples of a plan, as far as its filters ask for them."""

    plan: Plan
    worker: GenerateWorker
    staff: Staff
    store: Store
    progress: Progress
    failures: Failures
    already_there: int = 0
    passed_over: int = 0
    """Samples that failed before and would fail again."""
    _tried: set[str] = field(default_factory=set)

    def make(self) -> None:
        """Make what the verdicts in the store ask for and what wasn't tried yet; another sample replaces a failed one.

        TooManyFailures if too many samples fail.
        """
        while units := tuple(unit for unit in self._required() if unit.digest not in self._tried):
            self._tried.update(unit.digest for unit in units)
            part = replace(self.plan, units=units)
            made = generate(part, self.worker, self.staff, self.store, self.progress, self.failures)
            self.already_there += made.already_there
            self.passed_over += len(made.passed_over)

    def _required(self) -> Sequence[Unit]:
        artifacts = self.store.artifacts(unit.digest for unit in self.plan.units)
        scorers = self.plan.scorers
        rows = self.store.rows((scorer.identity for scorer in scorers), needs_details(scorers))
        return required_plan(self.plan, artifacts, rows).units


def _computable(plan: Plan, progress: Progress) -> list[PlannedScorer]:
    """The scorers whose assets are here; the others are reported in one line with what they need."""
    used = [scorer for scorer in plan.scorers if any(map(scorer.applies_to, plan.units))]
    ready = [scorer for scorer in used if not absent_assets(scorer.info.assets)]
    if absent := absent_assets(name for scorer in used for name in scorer.info.assets):
        left_out, needed = len(used) - len(ready), fetch_line(absent, plan.suite.name)
        progress.warn(f"{left_out} of {len(used)} scorers are left out, for lack of {needed}")
    return ready
