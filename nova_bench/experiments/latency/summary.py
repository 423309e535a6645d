"""Measurements -> times per video with their spread, and whether they are plausible. Pure functions of rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median
from typing import Any

PARTS = ("text", "temporal", "spatial", "head", "vae")
ALL_PARTS = (*PARTS, "other")
GENERATION = ("temporal", "spatial", "head")

CLOSURE_LIMIT = 0.02
"""Tolerance for the sum of the named parts, as a share of the total."""
COST_LIMIT = 0.01
"""Limit of the overhead of measuring, as a share of the time."""


@dataclass(frozen=True)
class Spread:
    """A median and the lowest and highest of the calls behind it (None for a single call)."""

    value: float
    interval: tuple[float, float] | None
    calls: int


@dataclass(frozen=True)
class Times:
    """Result of one measurement; ``details`` as :func:`nova_bench.experiments.latency.measure.measure` returns them.

    All times are seconds per video: seconds of the batch divided by its number of videos.
    """

    details: dict[str, Any]

    @property
    def setting(self) -> dict[str, Any]:
        """The setting, as the model and the machine resolved it."""
        return self.details["setting"]

    @property
    def observed(self) -> list[dict[str, float]]:
        """The timed calls."""
        return self.details["observed"]

    @cached_property
    def total(self) -> float:
        """Median of the calls."""
        return self.total_spread.value

    @cached_property
    def total_spread(self) -> Spread:
        """Median and range of the total."""
        return self._spread([call["total"] for call in self.observed])

    def part(self, *names: str) -> Spread:
        """One part, or several together, in the call with the median total (for an even number, the mean of the middle
        two), and the range over all calls. ``other`` is the time outside all parts.

        Parts of one call add up to its total. Medians of single parts come from different calls and need not add up if
        the machine does other work.
        """
        spread = self.part_alone(*names)
        middle = [sum(_part(call, name) for name in names) for call in self._middle]
        return replace(spread, value=sum(middle) / len(middle) / self.setting["batch_size"])

    def part_alone(self, *names: str) -> Spread:
        """Like :meth:`part`, with the part's own median: steadier for small parts, but they need not add up."""
        return self._spread([sum(_part(call, name) for name in names) for call in self.observed])

    @cached_property
    def _middle(self) -> list[dict[str, float]]:
        ranked = sorted(self.observed, key=lambda call: call["total"])
        return ranked[(len(ranked) - 1) // 2 : len(ranked) // 2 + 1]

    def _spread(self, calls: list[float]) -> Spread:
        seconds = [call / self.setting["batch_size"] for call in calls]
        interval = (min(seconds), max(seconds)) if len(seconds) > 1 else None
        return Spread(median(seconds), interval, len(seconds))

    @property
    def closure(self) -> float:
        """Sum of the named parts over the total, minus 1: below zero by the time outside all parts."""
        return self.part(*PARTS).value / self.total - 1

    @property
    def cost(self) -> float:
        """Host time of the stopwatch as a share of the total: regions entered times the cost of one."""
        return self.details["regions"] * self.details["seconds_per_region"] / (self.total * self.setting["batch_size"])

    def rate(self, part: str) -> float | None:
        """Operations per second in one part; None for a part that takes no time."""
        seconds = self.part(part).value
        return self.details["flops"][part] / seconds if seconds else None

    def share_of_bound(self, part: str) -> float | None:
        """That rate over the rate of large matrix products on the same device, in the same precision and run."""
        rate = self.rate(part)
        return None if rate is None else rate / self.details["matmul"]["flops_per_second"]

    @property
    def doubts(self) -> list[str]:
        """Why these times are doubtful, one line each; empty if both checks hold."""
        found = []
        if abs(self.closure) > CLOSURE_LIMIT:
            found.append(
                f"the named parts add up to {1 + self.closure:.1%} of the total (limit {CLOSURE_LIMIT:.0%} off): the "
                "rest, shown as other, is large for this setting"
            )
        if self.cost > COST_LIMIT:
            found.append(f"the stopwatch alone takes {self.cost:.1%} of the time (limit {COST_LIMIT:.0%})")
        return found


def _part(call: dict[str, float], name: str) -> float:
    if name == "other":
        return call["total"] - sum(call.get(part, 0.0) for part in PARTS)
    return call.get(name, 0.0)


def coverage(calls: int) -> float:
    """Probability that the lowest and highest of independent calls enclose the median of all such calls."""
    return 1 - 0.5 ** (calls - 1)
