"""LatencySuite -> its measurements, with their identities. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_bench.core.identity import digest
from nova_bench.experiments.latency.build import build_digest
from nova_bench.experiments.latency.spec import Change, CurveSpec, LatencySuite, Setting, changed
from nova_bench.models.nova import checkpoint_content

METHOD_VERSION = "3"
"""Changes whenever the same run of the same code would be timed differently."""

SCORER = "latency"
"""Scorer name of these rows in the store."""


@dataclass(frozen=True)
class Point:
    """One measurement: a whole setting, and its digest."""

    digest: str
    setting: dict[str, Any]


@dataclass(frozen=True)
class LatencyPlan:
    """All measurements of a suite, each once, rows first.

    ``identity`` covers method, code, model and the suite's `measure` section; ``machine`` is the digest of the device
    and its software, empty if not determined yet. Both are part of every stored row's key. ``build`` is the digest of
    the timed code, which the identity covers; empty in runs of versions that didn't store it.
    """

    suite: LatencySuite
    points: tuple[Point, ...]
    identity: str
    machine: str = ""
    build: str = ""

    @property
    def run_id(self) -> str:
        """Equal if the same settings are measured on the same machine by the same code."""
        return digest("latency-run", [self.suite.name, [p.digest for p in self.points], self.identity, self.machine])

    @property
    def run_name(self) -> str:
        """Name of the run's folder."""
        return f"{self.suite.name}-{self.run_id[:6]}"

    def row(self, row: Change) -> Point:
        """The measurement that a row of the table shows."""
        return point_of(self.suite.setting, row.setting)

    def curve(self, curve: CurveSpec, line: Change) -> tuple[Point, ...]:
        """The measurements of one line of a figure, in the order of its values."""
        return tuple(point_of(self.suite.setting, {**line.setting, curve.vary: value}) for value in curve.values)


def point_of(setting: Setting, change: dict[str, Any]) -> Point:
    """The measurement of ``setting`` with some fields changed."""
    whole = changed(setting, change).model_dump(mode="json")
    return Point(digest("latency-setting", whole), whole)


def make_latency_plan(
    suite: LatencySuite, digest_of: Callable[[Path], str], machine: str = "", limit: int | None = None
) -> LatencyPlan:
    """Plan the measurements of a suite; with ``limit``, only that many from the start."""
    points = [point_of(suite.setting, row.setting) for row in suite.rows]
    for curve in suite.curves:
        for line in curve.lines:
            points += [point_of(suite.setting, {**line.setting, curve.vary: value}) for value in curve.values]
    distinct = tuple({point.digest: point for point in points}.values())
    build = build_digest()
    return LatencyPlan(suite, distinct[:limit], _identity(suite, build, digest_of), machine, build)


def _identity(suite: LatencySuite, build: str, digest_of: Callable[[Path], str]) -> str:
    model = suite.nova
    options = [model.cpu_offload, model.vae_tiling, model.extrapolation]
    content = [METHOD_VERSION, build, checkpoint_content(model, digest_of), options]
    return digest("latency-method", [*content, suite.measure.model_dump(mode="json", exclude={"overhead"})])
