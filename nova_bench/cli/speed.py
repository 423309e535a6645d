"""`nova_bench compare --speed`: its options, and what it prints and writes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.progress import Progress
from nova_bench.core.standard_streams import print_line
from nova_bench.experiments.base import Request
from nova_bench.gate.comparability import described
from nova_bench.gate.outputs.github import announce_speed
from nova_bench.gate.outputs.verdict_json import verdict_json
from nova_bench.gate.speed.compare import compare_speed
from nova_bench.gate.speed.request import MARGIN_PERCENT, PAIRS, SECONDS, STALL_SECONDS, STARTS, Clock, SpeedRequest
from nova_bench.gate.speed_file import SpeedSide

PANEL = "Speed"
Speed = Annotated[
    bool, typer.Option("--speed", help="Compare times: A and B are models. See docs/gate.md.", rich_help_panel=PANEL)
]
PythonA = Annotated[
    str | None,
    typer.Option("--python-a", metavar="PYTHON", help="Python of A's build of nova_bench.", rich_help_panel=PANEL),
]
PythonB = Annotated[
    str | None,
    typer.Option("--python-b", metavar="PYTHON", help="Python of B's build of nova_bench.", rich_help_panel=PANEL),
]
Starts = Annotated[
    int | None,
    typer.Option(
        "--starts",
        min=1,
        max=10_000,
        help=f"How often both sides start afresh. [default: {STARTS}]",
        rich_help_panel=PANEL,
    ),
]
Pairs = Annotated[
    int | None,
    typer.Option("--pairs", min=1, max=100_000, help=f"Pairs per start. [default: {PAIRS}]", rich_help_panel=PANEL),
]
Seconds = Annotated[
    float | None,
    typer.Option("--seconds", min=0, help=f"No pair begins later. [default: {SECONDS:g}]", rich_help_panel=PANEL),
]
Margin = Annotated[
    float | None,
    typer.Option(
        "--speed-margin",
        metavar="PERCENT",
        min=0.1,
        max=1000,
        help=f"How much longer counts as slower. [default: {MARGIN_PERCENT:g}]",
        rich_help_panel=PANEL,
    ),
]
ClockOption = Annotated[
    str | None,
    typer.Option(
        "--clock",
        metavar="wall|processor",
        help="processor: for a CPU that others use too; doesn't count waiting. [default: wall]",
        rich_help_panel=PANEL,
    ),
]
StallSeconds = Annotated[
    float | None,
    typer.Option(
        "--stall-seconds",
        min=0.1,
        help=f"A side that says nothing for this long hangs. [default: {STALL_SECONDS:g}]",
        rich_help_panel=PANEL,
    ),
]


@dataclass(frozen=True)
class Timing:
    """The options of `--speed` as given; None if absent."""

    python_a: str | None
    python_b: str | None
    starts: int | None
    pairs: int | None
    seconds: float | None
    margin_percent: float | None
    stall_seconds: float | None
    clock: str | None

    @property
    def given(self) -> dict[str, object]:
        """Option -> its value."""
        names = {"margin_percent": "speed_margin"}
        return {f"--{names.get(key, key).replace('_', '-')}": value for key, value in vars(self).items()}

    def request(self, a: str, b: str, request: Request, strict: bool) -> SpeedRequest:
        """The comparison they ask for. UserError for a clock that there isn't."""
        if self.clock not in (None, *get_args(Clock)):
            raise UserError(f"--clock {self.clock}: no such clock", "wall or processor")
        stated: dict[str, Any] = {key: value for key, value in vars(self).items() if value is not None}
        return SpeedRequest(a, b, request, strict=strict, **stated)


def show_speed(request: SpeedRequest, json: Path | None, progress: Progress) -> ExitCode:
    """Compare, write the file, print a line for each side and the verdict; returns the exit code."""
    report = compare_speed(request, progress)
    if json is not None:
        write_atomic(json, verdict_json(report))
    announce_speed(report, os.environ, sys.stdout)
    for name, side in (("A", report.a), ("B", report.b)):
        print_line(f"{name}: {_line(side)}")
    for difference in report.card:
        if difference.effect != "refused":
            print_line(f"note: {described(difference)}", sys.stderr)
    for reason in report.reasons:
        print_line(f"note: {reason}", sys.stderr)
    if json is not None:
        print_line(f"json: {json}", sys.stderr)
    if report.exit_code == 0 and report.verdict in ("inconclusive", "not comparable"):
        print_line(f"warning: {report.verdict}; --strict makes this an error", sys.stderr)
    print_line(report.summary)
    return ExitCode(report.exit_code)


def _line(side: SpeedSide) -> str:
    """``nova-tiny, nova_bench 0.1.0: 0.412 s a call (median of 30), cpu, Intel Xeon``."""
    call = (
        f"{side.median:.4g} s a call (median of {sum(map(len, side.seconds))})"
        if side.median is not None
        else "not timed"
    )
    machine = ", ".join(str(side.machine[key]) for key in ("device", "name") if key in side.machine)
    return f"{side.label}, nova_bench {side.build.get('nova_bench', 'unknown')}: {call}, {machine}"


def refuse(given: Mapping[str, object], why: str, remedy: str) -> None:
    """Raise UserError for the first option that has a value."""
    for option, value in given.items():
        if value:
            raise UserError(f"{option}: {why}", remedy)
