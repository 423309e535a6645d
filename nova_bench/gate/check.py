"""`bless` and `check`: a run becomes a baseline; a checkpoint is compared with it, look after look."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nova_bench.config.suite import GateSpec, Suite
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.benchmark.load import load_benchmark
from nova_bench.gate.baseline import Baseline, new_baseline, read_baseline, write_baseline
from nova_bench.gate.budget import affordable, metrics_of
from nova_bench.gate.compare import Options, compare_sides
from nova_bench.gate.noise import noise_of, with_noise
from nova_bench.gate.operands import measured, measured_part, refuse_other_kinds
from nova_bench.gate.outputs.words import sentence
from nova_bench.gate.side import Side
from nova_bench.gate.statistics.decision import Verdict
from nova_bench.gate.statistics.looks import Looks, ends
from nova_bench.gate.verdict_file import Drift, Look, Noise, VerdictFile
from nova_bench.models.base import ModelAdapter
from nova_bench.pipeline.aggregate import collect, needs_details
from nova_bench.pipeline.plan import Plan, part_of_plan
from nova_bench.pipeline.run import plan_suite
from nova_bench.pipeline.sample_filter import required_plan
from nova_bench.store import Artifact, Store


class IncompleteRun(UserError):
    """A run that lacks samples can't become a baseline."""

    exit_code = ExitCode.INCOMPLETE


@dataclass(frozen=True)
class CheckRequest:
    """One call of `check`. ``budget`` is in seconds; ``noise`` counts further seeds of the checkpoint to measure."""

    request: Request
    baseline: Path
    accept: tuple[str, ...] = ()
    strict: bool = False
    missing: str | None = None
    early: bool = True
    budget: float | None = None
    noise: int = 0


@dataclass(frozen=True)
class Checked:
    """What `check` found, and the run that was checked last."""

    file: VerdictFile
    run: str
    blessed_run: str
    """Name of the run that was blessed."""


def bless(
    request: Request, path: Path, update: bool, allow_failed: bool, progress: Progress
) -> tuple[Baseline, VerdictFile | None]:
    """Run a suite and write its values as a baseline; returns it, and with ``update`` what changed.

    UserError if there is a baseline already and not ``update``; IncompleteRun if samples failed (unless
    ``allow_failed``) or are missing. The baseline is then left as it is.
    """
    refuse_other_kinds(request.suite)
    before = read_baseline(path) if path.exists() else None
    if before and not update:
        raise UserError(
            f"{path}: there is a baseline already", "bless --update shows what changes and replaces it; or another FILE"
        )
    operand = measured(load_benchmark(request, progress.notice), request.store, request.limit, progress)
    side = operand.side
    _refuse_incomplete(side, allow_failed)
    _resolved(operand.gate, side)
    baseline = new_baseline(side, operand.gate, datetime.now(UTC).isoformat(timespec="seconds"), before)
    changes = None
    if before:
        changes = compare_sides(before.as_side(path.name), side, Options(operand.gate))
    write_baseline(baseline, path)
    return baseline, changes


def _refuse_incomplete(side: Side, allow_failed: bool) -> None:
    if not side.metrics:
        raise IncompleteRun(f"run {side.name}: nothing was measured", "see the messages above")
    if side.missing or (side.failed and not allow_failed):
        counts = f"{side.failed} of {side.requested} samples failed, {side.missing} are missing"
        raise IncompleteRun(
            f"run {side.name}: {counts}: not blessed",
            "repair them and repeat the command" + ("" if side.missing else "; or --allow-failed"),
        )


def _resolved(gate: GateSpec, side: Side) -> None:
    """Raise IncompleteRun if a metric that should decide has no value."""
    for name in gate.metrics:
        if name in side.not_computed:
            raise IncompleteRun(f"{name}: not computed: {side.not_computed[name]}", "it is among the gate's metrics")


def check(call: CheckRequest, progress: Progress) -> Checked:
    """Run a suite on the baseline's prompts, in looks, until the verdict is clear; compare it with the baseline."""
    request = call.request
    refuse_other_kinds(request.suite)
    baseline = read_baseline(call.baseline)
    suite = load_benchmark(request, progress.notice)
    gate, notes = _rule(baseline, suite, call)
    old = baseline.as_side(call.baseline.name)
    noise: dict[str, Noise] = {}
    with Store.writer(request.store) as store:
        try:
            plan, adapter = plan_suite(suite, store, request.limit, progress)
            blessed = part_of_plan(plan, lambda unit: unit.sample_index < old.counts.get(unit.prompt_id, 0))
            order = [prompt for prompt in old.prompts if prompt in _prompts(blessed)]
            runner = _Runner(blessed if order else plan, adapter, store, progress)
            if len(order) < len(old.prompts):
                # The card says which prompts differ; what both have is compared with --accept prompts.
                side = runner.side(_prompts(runner.plan))
                file = compare_sides(old, side, Options(gate, call.accept, call.strict))
            else:
                notes += _left_out(plan, blessed)
                if call.budget is not None:
                    order, told = affordable(blessed, order, old, gate, store, adapter, call.budget)
                    notes += (told,)
                if call.noise:  # first, and of all prompts: then looking early saves nothing
                    noise = noise_of(suite, runner.side(order), gate, call.noise, store, progress)
                early = call.early and not _is_finished(runner.part(order), store)
                looks = Looks(metrics_of(old, order), gate.looks if early else (1.0,), gate.alpha, flips=gate.flips)
                file, side = _looked(runner, old, order, looks, call, gate)
        finally:
            progress.notices.clear()
        drift = _drift(baseline, call.baseline.name, side, gate)
    reasons = (*notes, *file.reasons, *_drifted(drift), *_how_to_rescore(file, call))
    file = with_noise(file, noise).model_copy(update={"drift": drift, "reasons": reasons})
    return Checked(file, side.name, baseline.side.run)


def _drifted(drift: Drift | None) -> list[str]:
    """The drift since the first baseline, if it is a loss that the comparison with the last one doesn't show."""
    if drift is None or drift.verdict != "regressed":
        return []
    lost = [sentence(metric) for metric in drift.metrics if metric.gating and metric.verdict == "regressed"]
    return [f"since the first baseline ({drift.since}), {drift.blessings} blessings ago: regressed: {'; '.join(lost)}"]


def _how_to_rescore(file: VerdictFile, call: CheckRequest) -> list[str]:
    """What to do about metrics whose scorer changed since the baseline was blessed."""
    changed = [d.field.partition(": ")[0] for d in file.card if d.effect == "refused" and ": scorer " in d.field]
    if not changed:
        return []
    names = ", ".join(dict.fromkeys(changed))
    command = ["python", "-m", "nova_bench", "bless", call.request.suite, "--baseline", str(call.baseline), "--update"]
    return [
        f"{names}: the scorer changed since the baseline was blessed; score its stored videos again and bless them: "
        f"{shlex.join(command)} --store STORE --model MODEL, with the store and the model of the blessed run "
        f"{file.a.name} ({file.a.label})"
    ]


def _rule(baseline: Baseline, suite: Suite, call: CheckRequest) -> tuple[GateSpec, tuple[str, ...]]:
    """The rule that was blessed; a suite that states another is reported."""
    gate: GateSpec = baseline.gate
    notes: tuple[str, ...] = ()
    if suite.name != baseline.suite:
        raise UserError(
            f"{call.baseline}: blessed for the suite {baseline.suite}, not {suite.name}", "name that suite, or its own"
        )
    if suite.gate != gate:
        notes = ("the suite's gate differs from the blessed one, which applies (bless --update takes the suite's)",)
    if call.missing is not None:
        gate = GateSpec.model_validate({**gate.model_dump(), "missing": call.missing})
    return gate, notes


def _left_out(plan: Plan, blessed: Plan) -> tuple[str, ...]:
    extra = len(plan.units) - len(blessed.units)
    prompts = f"{len(_prompts(plan)) - len(_prompts(blessed))} of {len(_prompts(plan))} prompts"
    return (f"{extra} samples ({prompts}) are not in the baseline and were left out",) if extra else ()


def _prompts(plan: Plan) -> list[str]:
    """A plan's prompt ids, in order."""
    return list(dict.fromkeys(unit.prompt_id for unit in plan.units))


def _is_finished(plan: Plan, store: Store) -> bool:
    """Whether everything was made and scored before: then looking early saves nothing."""
    artifacts = store.artifacts(unit.digest for unit in plan.units)
    rows = store.rows((scorer.identity for scorer in plan.scorers), needs_details(plan.scorers))
    plan = required_plan(plan, artifacts, rows)
    if not all(isinstance(artifacts.get(unit.digest), Artifact) for unit in plan.units):
        return False
    scores = [collect(plan.units, scorer, artifacts, rows) for scorer in plan.scorers]
    return all(score.status is not None for metric in scores for score in metric)


@dataclass(frozen=True)
class _Runner:
    """Measures parts of one plan with one loaded model."""

    plan: Plan
    adapter: ModelAdapter
    store: Store
    progress: Progress

    def part(self, prompts: Sequence[str]) -> Plan:
        """The plan for these prompts (ids) only."""
        wanted = frozenset(prompts)
        return part_of_plan(self.plan, lambda unit: unit.prompt_id in wanted)

    def side(self, prompts: Sequence[str]) -> Side:
        """What these prompts (ids) give; what exists is not made again."""
        return measured_part(self.part(prompts), self.adapter, self.store, self.progress)


def _looked(
    runner: _Runner, old: Side, order: Sequence[str], looks: Looks, call: CheckRequest, gate: GateSpec
) -> tuple[VerdictFile, Side]:
    """Look after look, until the verdict is clear or all prompts are measured."""
    found: list[Look] = []
    for look, (size, spent) in enumerate(zip(looks.counts, looks.spent, strict=True)):
        prompts = [order[position] for position in looks.prompts(look)]
        side = runner.side(prompts)
        file = compare_sides(old, side, Options(gate, call.accept, call.strict, order=prompts, decide=looks.decide))
        clear = ends([Verdict(metric.verdict) for metric in file.metrics if metric.gating])
        stopped = size == len(order) or (clear and not (side.failed or side.missing))
        found.append(Look(share=size / len(order), prompts=size, alpha=spent, verdict=file.verdict, stopped=stopped))
        if stopped:
            break
        runner.progress.say(f"look at {size} of {len(order)} prompts: {file.verdict}; going on")
    return file.model_copy(update={"looks": tuple(found)}), side


def _drift(baseline: Baseline, name: str, side: Side, gate: GateSpec) -> Drift | None:
    """The comparison with the first baseline of the line; None if this is the first."""
    if baseline.first is None:
        return None
    first = baseline.as_side(name, "first")
    whole = set(first.prompts) <= set(side.prompts)
    file = compare_sides(first, side, Options(gate, order=None if whole else list(side.prompts)))
    return Drift(
        since=baseline.first.blessed,
        blessings=baseline.blessings - 1,
        verdict=file.verdict,
        metrics=file.metrics,
    )
