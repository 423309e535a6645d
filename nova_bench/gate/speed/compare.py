"""`compare --speed`: times both sides in turn and judges the ratio of their times."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from statistics import median
from typing import Any, Literal

from nova_bench import __version__
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.messages import shorten
from nova_bench.core.progress import Progress
from nova_bench.gate.comparability import described
from nova_bench.gate.speed.comparability import differences
from nova_bench.gate.speed.ratio import Ratio, ratio_of
from nova_bench.gate.speed.report import SpeedReport, SpeedSide
from nova_bench.gate.speed.request import SUITE, Clock, SpeedRequest, Subject, subject_of
from nova_bench.gate.speed.side_process import SideFailed, SideProcess, side_process
from nova_bench.gate.statistics.decision import ALPHA, Verdict

EXIT_CODES = {Verdict.REGRESSED: ExitCode.REGRESSION}
UNDECIDED = (Verdict.NOT_COMPARABLE, Verdict.INCONCLUSIVE)


@dataclass(frozen=True)
class Times:
    """Seconds of each side's calls, in the order of the pairs, and why they ended."""

    a: Sequence[float] = ()
    b: Sequence[float] = ()
    ended_by: Literal["pairs", "seconds", "not comparable"] = "not comparable"


def compare_speed(request: SpeedRequest, progress: Progress) -> SpeedReport:
    """Time both sides and compare. UserError for bad input, SideFailed if a side can't be timed."""
    subjects = [subject_of(model, request.request, progress.notice) for model in (request.a, request.b)]
    names = [f"side {side} ({subject.label})" for side, subject in zip("AB", subjects, strict=True)]
    with (
        side_process(names[0], request.python_a, request.stall_seconds) as a,
        side_process(names[1], request.python_b, request.stall_seconds) as b,
    ):
        facts = [_facts(side, subject) for side, subject in zip((a, b), subjects, strict=True)]
        _check_clock(request.clock, facts)
        card = differences(*facts)
        comparable = all(difference.effect != "refused" for difference in card)
        times = _timed((a, b), request, progress) if comparable else Times()
    sides = [
        _side(*parts)
        for parts in zip(subjects, (request.python_a, request.python_b), facts, (times.a, times.b), strict=True)
    ]
    found = ratio_of(times.a, times.b, request.margin_percent) if comparable else None
    verdict = found.finding.verdict if found else Verdict.NOT_COMPARABLE
    refused = "; ".join(described(difference) for difference in card if difference.effect == "refused")
    undecided = ExitCode.INCONCLUSIVE if request.strict and verdict in UNDECIDED else ExitCode.PASS
    return SpeedReport(
        nova_bench=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=verdict.value,
        exit_code=EXIT_CODES.get(verdict, undecided),
        strict=request.strict,
        summary=f"{verdict}: {sentence(found, len(times.a), request.margin_percent) if found else refused}",
        reasons=_reasons(found, times, request, sides),
        suite=request.request.suite or SUITE,
        a=sides[0],
        b=sides[1],
        card=card,
        ratio=found.value if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        clock=request.clock,
        margin_percent=request.margin_percent,
        alpha=ALPHA,
        p=found.finding.p if found else None,
        p_error=found.finding.p_error if found else None,
        detectable=found.detectable if found else None,
        more_pairs=found.finding.more_prompts if found else None,
        pairs=len(times.a),
        planned_pairs=request.pairs,
        ended_by=times.ended_by,
    )


def _facts(side: SideProcess, subject: Subject) -> Mapping[str, Mapping[str, Any]]:
    """Let a side load and warm up: what its worker says of machine, setting and build."""
    facts = side.ask(json.dumps(subject.job), "facts")
    try:
        json.dumps(facts, allow_nan=False)
    except ValueError:
        raise SideFailed(f"{side.name}: its worker states a number that isn't finite") from None
    if not isinstance(facts, dict) or not all(isinstance(facts.get(k), dict) for k in ("machine", "setting", "build")):
        raise SideFailed(f"{side.name}: its worker doesn't state machine, setting and build")
    return facts


def _timed(sides: tuple[SideProcess, SideProcess], request: SpeedRequest, progress: Progress) -> Times:
    """Time pairs, A B, B A, A B, ..., so that neither side is always first. Only one side works at a time."""
    seconds: tuple[list[float], list[float]] = ([], [])
    began = time.monotonic()
    with progress.stage("time", request.pairs) as advance:
        while len(seconds[0]) < request.pairs:
            for side in (0, 1) if len(seconds[0]) % 2 == 0 else (1, 0):
                seconds[side].append(_call(sides[side], request.clock))
            advance(1)
            if time.monotonic() - began >= request.seconds:
                break
    return Times(*seconds, "pairs" if len(seconds[0]) == request.pairs else "seconds")


def _check_clock(clock: Clock, facts: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
    """Raise UserError for processor time of work that a GPU does."""
    devices = [str(side["machine"].get("device")) for side in facts]
    if clock == "processor" and any(device.startswith("cuda") for device in devices):
        raise UserError("--clock processor: a GPU's work takes no processor time", "--clock wall, or --device cpu")


def _call(side: SideProcess, clock: Clock) -> float:
    """Seconds of one generation of a side."""
    seconds = side.ask("time", clock)
    if not isinstance(seconds, float) or not isfinite(seconds) or seconds <= 0:
        raise SideFailed(f"{side.name}: its worker measured {shorten(seconds)} seconds")
    return seconds


def _side(
    subject: Subject, python: str | None, facts: Mapping[str, Mapping[str, Any]], seconds: Sequence[float]
) -> SpeedSide:
    return SpeedSide(
        label=subject.label,
        python=python,
        build=dict(facts["build"]),
        machine=dict(facts["machine"]),
        setting=dict(facts["setting"]),
        seconds=tuple(seconds),
        median=median(seconds) if seconds else None,
    )


def sentence(found: Ratio, pairs: int, margin_percent: float) -> str:
    """``B takes 1.520 times as long as A [1.490, 1.551], margin 5 %, 30 pairs, p = 0.0001``."""
    bounds = f" [{found.low:.3f}, {found.high:.3f}]" if found.low is not None and found.high is not None else ""
    return (
        f"B takes {found.value:.3f} times as long as A{bounds}, margin {margin_percent:g} %, {pairs} pairs, "
        f"p = {found.finding.p:.2g}"
    )


def _reasons(found: Ratio | None, times: Times, request: SpeedRequest, sides: Sequence[SpeedSide]) -> tuple[str, ...]:
    """Further lines: a time limit that was reached, what would decide, and two sides that are one."""
    a, b = sides
    lines = []
    if times.ended_by == "seconds":
        lines.append(
            f"ended after {len(times.a)} of {request.pairs} pairs: {request.seconds:g} s were over (--seconds)"
        )
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
    more = found.finding.more_prompts
    decide = f"; {more:,} pairs would decide if the ratio stays as it is" if more else ""
    if found.detectable is None:
        return f"too few pairs to find anything{decide}"
    return f"the smallest ratio found with 80 % power is {found.detectable:.3f}{decide}"
