"""Calls with and without a stopwatch -> the overhead of measuring, with an interval and a verdict. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any

from nova_bench.core.identity import digest
from nova_bench.core.statistics import median_interval
from nova_bench.experiments.latency.plan import LatencyPlan, Point
from nova_bench.experiments.latency.spec import Change, OverheadSpec
from nova_bench.experiments.latency.store import Measured
from nova_bench.experiments.latency.summary import COST_LIMIT

COMPARISON_VERSION = "1"
"""Changes whenever the same comparison would be made differently."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """Result of one comparison; ``details`` as :func:`nova_bench.experiments.latency.overhead.compare` returns them.

    The load of a shared machine changes slowly compared with these calls: within a block of four it affects both sides,
    which cancels constant and linear drift. Blocks are treated as independent.
    """

    details: dict[str, Any]

    @property
    def clock(self) -> str:
        """The clock of the verdict: ``processor`` time on a CPU, which other work affects least; else ``wall``."""
        return "processor" if "processor" in self.details["blocks"][0] else "wall"

    def ratios(self, clock: str) -> list[float]:
        """Time with a stopwatch over time without, minus 1, of each block."""
        return [sum(block[clock]["with"]) / sum(block[clock]["without"]) - 1 for block in self.details["blocks"]]

    def cost(self, clock: str) -> float:
        """Median of the ratios."""
        return median(self.ratios(clock))

    def interval(self, clock: str) -> tuple[float, float] | None:
        """95 % interval of that median; None for fewer than six blocks."""
        return median_interval(self.ratios(clock), CONFIDENCE)

    @cached_property
    def verdict(self) -> str:
        """Whether measuring is shown to cost less than the limit, in words."""
        interval = self.interval(self.clock)
        if interval is None:
            return f"below {COST_LIMIT:.0%} not shown: too few blocks"
        if interval[1] < COST_LIMIT:
            return f"below {COST_LIMIT:.0%}: shown"
        if interval[0] > COST_LIMIT:
            return f"above {COST_LIMIT:.0%}"
        return f"below {COST_LIMIT:.0%} not shown: the interval reaches {interval[1]:.2%}"

    @property
    def shown(self) -> bool:
        """Whether the interval is below the limit."""
        interval = self.interval(self.clock)
        return interval is not None and interval[1] < COST_LIMIT


def heaviest_row(plan: LatencyPlan, measured: dict[str, Measured]) -> Change | None:
    """The measured row with the highest stopwatch overhead; the others' is lower. None if no row is measured."""
    done = [row for row in plan.suite.rows if (found := measured.get(plan.row(row).digest)) and found.ok]
    return max(done, key=lambda row: measured[plan.row(row).digest].times.cost, default=None)


def comparison_point(plan: LatencyPlan, row: Change, how: OverheadSpec) -> Point:
    """The setting compared for a row, with its identity."""
    setting = dict(plan.row(row).setting)
    for name in ("num_frames", "batch_size"):
        if (most := getattr(how, name)) is not None:
            setting[name] = min(setting[name], most)
    return Point(digest("latency-comparison", [COMPARISON_VERSION, setting, how.model_dump(mode="json")]), setting)
