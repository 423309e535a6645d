"""Times two sides in turn, in worker processes that start afresh several times."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from nova_bench.core.errors import UserError
from nova_bench.core.messages import shorten
from nova_bench.core.progress import Progress
from nova_bench.gate.speed.comparability import differences
from nova_bench.gate.speed.request import Clock, SpeedRequest, Subject
from nova_bench.gate.speed.side_process import SideFailed, SideProcess, side_process
from nova_bench.gate.verdict_file import CardDifference

Facts = Mapping[str, Mapping[str, Any]]
"""What a worker says of its ``machine``, ``setting`` and ``build``."""


@dataclass(frozen=True)
class Timing:
    """What was timed: ``a`` and ``b`` have the seconds of each start's calls, in the order of the pairs.

    ``facts`` are those of the two sides, ``card`` in what they differ.
    """

    facts: tuple[Facts, Facts]
    card: tuple[CardDifference, ...]
    a: Sequence[Sequence[float]]
    b: Sequence[Sequence[float]]
    ended_by: Literal["starts", "seconds", "not comparable"]


def time_sides(request: SpeedRequest, subjects: tuple[Subject, Subject], progress: Progress) -> Timing:
    """Start both sides, time pairs of calls, and start again, as often as planned or until the time is over.

    Neither side is always the first to start or to be called, and only one works at a time. UserError for a clock that
    can't be used, SideFailed if a side can't be timed.
    """
    a, b = (f"side {name} ({subject.label})" for name, subject in zip("AB", subjects, strict=True))
    seconds: tuple[list[list[float]], list[list[float]]] = ([], [])
    until = time.monotonic() + request.seconds
    with progress.stage("time", request.starts * request.pairs) as advance:
        for start in range(request.starts):
            with (
                side_process(a, request.python_a, request.stall_seconds) as first,
                side_process(b, request.python_b, request.stall_seconds) as second,
            ):
                sides = (first, second)
                known = {side: _facts(sides[side], subjects[side]) for side in _order(start)}
                facts = (known[0], known[1])
                _check_clock(request.clock, facts)
                card = differences(*facts)
                if any(difference.effect == "refused" for difference in card):
                    return Timing(facts, card, (), (), "not comparable")
                for times in seconds:
                    times.append([])
                for pair in range(request.pairs):
                    for side in _order(start + pair):
                        seconds[side][-1].append(_call(sides[side], request.clock))
                    advance(1)
                    if over := time.monotonic() >= until:
                        break
            if over:
                break
    done = len(seconds[0]) == request.starts and len(seconds[0][-1]) == request.pairs
    return Timing(facts, card, *seconds, "starts" if done else "seconds")


def _order(number: int) -> tuple[int, int]:
    """Which side comes first, by turns."""
    return (0, 1) if number % 2 == 0 else (1, 0)


def _facts(side: SideProcess, subject: Subject) -> Facts:
    """Let a side load and warm up."""
    facts = side.ask(json.dumps(subject.job), "facts")
    try:
        json.dumps(facts, allow_nan=False)
    except ValueError:
        raise SideFailed(f"{side.name}: its worker states a number that isn't finite") from None
    if not isinstance(facts, dict) or not all(isinstance(facts.get(k), dict) for k in ("machine", "setting", "build")):
        raise SideFailed(f"{side.name}: its worker doesn't state machine, setting and build")
    return facts


def _check_clock(clock: Clock, facts: Sequence[Facts]) -> None:
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
