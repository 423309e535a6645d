"""Measurements in the store: rows of the scorer name ``latency``, keyed by setting, method and machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nova_bench.experiments.latency.plan import LatencyPlan, Point
from nova_bench.experiments.latency.summary import Times
from nova_bench.store import Row, Status, Store


@dataclass(frozen=True)
class Measured:
    """What the store holds of one point."""

    row: Row

    @property
    def ok(self) -> bool:
        """Whether there are times."""
        return self.row.status == Status.OK

    @property
    def problem(self) -> str:
        """Why there are no times."""
        return self.row.message

    @property
    def details(self) -> dict[str, Any]:
        """The measurement, see :func:`nova_bench.experiments.latency.measure.measure`."""
        return self.row.details

    @property
    def times(self) -> Times:
        """Its times."""
        return Times(self.row.details)


def comparison_of(plan: LatencyPlan, point: Point, store: Store) -> Measured | None:
    """The stored comparison with and without a stopwatch; None if it was never begun."""
    return _found(plan, {point.digest}, store).get(point.digest)


def measured_points(plan: LatencyPlan, store: Store) -> dict[str, Measured]:
    """The stored measurements of a plan, by point digest. A plan without a machine takes those of any machine."""
    return _found(plan, {point.digest for point in plan.points}, store)


def times_of(plan: LatencyPlan, measured: dict[str, Measured]) -> list[Times]:
    """The times of the points that were measured, in the plan's order."""
    found = (measured.get(point.digest) for point in plan.points)
    return [point.times for point in found if point is not None and point.ok]


def _found(plan: LatencyPlan, wanted: set[str], store: Store) -> dict[str, Measured]:
    return {
        point: Measured(row)
        for (point, _, machine), row in store.rows([plan.identity], details=True).items()
        if point in wanted and machine == (plan.machine or machine)
    }
