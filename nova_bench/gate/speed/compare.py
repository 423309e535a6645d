"""`compare --speed`: times both sides and judges the ratio of their times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from statistics import median

from nova_bench import __version__
from nova_bench.core.errors import ExitCode
from nova_bench.core.progress import Progress
from nova_bench.gate.comparability import described
from nova_bench.gate.speed.ratio import Ratio, ratio_of
from nova_bench.gate.speed.request import SUITE, SpeedRequest, Subject, subject_of
from nova_bench.gate.speed.timing import Facts, Timing, time_sides
from nova_bench.gate.speed_file import SpeedReport, SpeedSide
from nova_bench.gate.statistics.decision import ALPHA, Verdict

UNDECIDED = (Verdict.NOT_COMPARABLE, Verdict.INCONCLUSIVE)


def compare_speed(request: SpeedRequest, progress: Progress) -> SpeedReport:
    """Time both sides and compare. UserError for bad input, SideFailed if a side can't be timed."""
    subjects = (
        subject_of(request.a, request.request, progress.notice),
        subject_of(request.b, request.request, progress.notice),
    )
    timing = time_sides(request, subjects, progress)
    found = ratio_of(timing.a, timing.b, request.margin_percent) if timing.a else None
    verdict = found.finding.verdict if found else Verdict.NOT_COMPARABLE
    a = _side(subjects[0], request.python_a, timing.facts[0], timing.a)
    b = _side(subjects[1], request.python_b, timing.facts[1], timing.b)
    return SpeedReport(
        nova_bench=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=verdict.value,
        exit_code=_exit_code(verdict, request.strict),
        strict=request.strict,
        summary=f"{verdict}: {_sentence(found, timing, request) if found else _refused(timing)}",
        reasons=_reasons(found, timing, request, a, b),
        suite=request.request.suite or SUITE,
        a=a,
        b=b,
        card=timing.card,
        ratio=found.value if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        clock=request.clock,
        margin_percent=request.margin_percent,
        alpha=ALPHA,
        p=found.finding.p if found else None,
        p_error=found.finding.p_error if found else None,
        detectable=found.detectable if found else None,
        more_starts=found.finding.more_prompts if found else None,
        more_pairs=found.finding.more_samples if found else None,
        planned_starts=request.starts,
        planned_pairs=request.pairs,
        ended_by=timing.ended_by,
    )


def _side(subject: Subject, python: str | None, facts: Facts, seconds: Sequence[Sequence[float]]) -> SpeedSide:
    return SpeedSide(
        label=subject.label,
        python=python,
        build=dict(facts["build"]),
        machine=dict(facts["machine"]),
        setting=dict(facts["setting"]),
        seconds=tuple(map(tuple, seconds)),
        median=median(chain.from_iterable(seconds)) if seconds else None,
    )


def _exit_code(verdict: Verdict, strict: bool) -> ExitCode:
    if verdict is Verdict.REGRESSED:
        return ExitCode.REGRESSION
    return ExitCode.INCONCLUSIVE if strict and verdict in UNDECIDED else ExitCode.PASS


def _sentence(found: Ratio, timing: Timing, request: SpeedRequest) -> str:
    """``B takes 1.520 times as long as A [1.490, 1.551], margin 5 %, 50 pairs in 10 starts, p = 0.002``."""
    bounds = f" [{found.low:.3f}, {found.high:.3f}]" if found.low is not None and found.high is not None else ""
    return (
        f"B takes {found.value:.3f} times as long as A{bounds}, margin {request.margin_percent:g} %, "
        f"{sum(map(len, timing.a))} pairs in {len(timing.a)} starts, p = {found.finding.p:.2g}"
    )


def _refused(timing: Timing) -> str:
    return "; ".join(described(difference) for difference in timing.card if difference.effect == "refused")


def _reasons(found: Ratio | None, timing: Timing, request: SpeedRequest, a: SpeedSide, b: SpeedSide) -> tuple[str, ...]:
    """Further lines: a time limit that was reached, what would decide, and two sides that are one."""
    lines = []
    if timing.ended_by == "seconds":
        done = f"{sum(map(len, timing.a))} of {request.starts * request.pairs} pairs"
        lines.append(f"ended after {done}: {request.seconds:g} s were over (--seconds)")
    if found is None:
        lines.append("only times of one device, driver, clocks policy and setting can be compared")
    elif found.finding.within_margin:
        lines.append("slower, within the margin")
    elif found.finding.verdict is Verdict.INCONCLUSIVE:
        lines.append(_what_would_decide(found))
    if request.a == request.b and a.build == b.build:
        lines.append("both sides are the same model and the same build: what differs is noise")
    return tuple(lines)


def _what_would_decide(found: Ratio) -> str:
    finding = found.finding
    parts = [f"{finding.more_prompts:,} starts"] if finding.more_prompts else []
    parts += [f"{finding.more_samples:,} pairs per start"] if finding.more_samples else []
    decide = f"; {' or '.join(parts)} would decide if the ratio stays as it is" if parts else ""
    if found.detectable is None:
        return f"too few starts to find anything{decide}"
    return f"the smallest ratio found with 80 % power is {found.detectable:.3f}{decide}"
