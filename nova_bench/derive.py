"""Summaries of metrics -> final scores of a benchmark, such as VBench's total, with intervals. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nova_bench.aggregate import MetricSummary
from nova_bench.protocols.base import DerivedMetric
from nova_bench.spec import StatisticsSpec
from nova_bench.stats import percentile_interval
from nova_bench.store import Status

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class DerivedSummary:
    """A derived metric over a run.

    ``value`` is None where a part has none; ``needs`` then names the metrics that lack, derived parts spelled out.
    ``interval`` recomputes the metric in each bootstrap resample, so it knows how its parts vary together; None where
    a part has no interval. The counts are those of the different samples behind it; ``incomplete`` names the parts
    that some of their samples lack.
    """

    metric: DerivedMetric
    value: float | None
    interval: tuple[float, float] | None
    needs: tuple[str, ...]
    incomplete: tuple[str, ...]
    n_requested: int
    n_ok: int
    resampled: np.ndarray | None = field(default=None, compare=False, repr=False)


def derive(
    metrics: Sequence[DerivedMetric],
    summaries: Sequence[MetricSummary],
    statistics: StatisticsSpec,
    known: Mapping[str, DerivedMetric],
) -> list[DerivedSummary]:
    """One summary per derived metric, from the summaries of one run; ``known``: every derived metric by name."""
    measured = {summary.scorer.info.name: summary for summary in summaries}
    return [_derived(metric, measured, known, statistics) for metric in metrics]


def _derived(
    metric: DerivedMetric,
    measured: Mapping[str, MetricSummary],
    known: Mapping[str, DerivedMetric],
    statistics: StatisticsSpec,
) -> DerivedSummary:
    import numpy as np

    values: dict[str, float] = {}
    resampled: dict[str, np.ndarray] = {}
    leaves = leaf_metrics(metric, known)
    for part in metric.parts:
        if part.metric in known:
            inner = _derived(known[part.metric], measured, known, statistics)
            value, draws = inner.value, inner.resampled
        else:
            summary = measured.get(part.metric)
            value, draws = (summary.value, summary.resampled) if summary else (None, None)
        if value is not None:
            values[part.metric], resampled[part.metric] = value, draws
    used = [measured[name] for name in leaves if name in measured]
    counted = {score.unit.digest: score.status for summary in used for score in summary.samples}
    ok = {score.unit.digest for summary in used for score in summary.samples if score.status == Status.OK}
    complete = len(values) == len(metric.parts)
    draws = metric.value(resampled) if complete else None
    interval = None
    if complete and not np.isnan(draws).all():
        low, high = percentile_interval(draws[:, None], statistics.confidence)
        interval = float(low[0]), float(high[0])
    return DerivedSummary(
        metric=metric,
        value=float(metric.value(values)) if complete else None,
        interval=interval,
        needs=tuple(name for name in leaves if name not in measured or measured[name].value is None),
        incomplete=tuple(s.scorer.info.name for s in used if s.value is not None and s.n_failed + s.n_missing),
        n_requested=len(counted),
        n_ok=len(ok),
        resampled=draws,
    )


def leaf_metrics(metric: DerivedMetric, known: Mapping[str, DerivedMetric]) -> tuple[str, ...]:
    """The measured metrics that ``metric`` rests on, in order, each once."""
    leaves: dict[str, None] = {}
    for part in metric.parts:
        inner = leaf_metrics(known[part.metric], known) if part.metric in known else (part.metric,)
        leaves.update(dict.fromkeys(inner))
    return tuple(leaves)
