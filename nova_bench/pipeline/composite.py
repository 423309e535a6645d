"""Summaries of metrics -> final scores of a benchmark, such as VBench's total, with intervals. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_bench.config.suite import StatisticsSpec
from nova_bench.core.intervals import Intervals, Method, cluster_means
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.protocols.base import Composite
from nova_bench.store import Status

if TYPE_CHECKING:
    from nova_bench.protocols.base import Number


@dataclass(frozen=True)
class CompositeSummary:
    """A derived metric over a run.

    ``value`` is None if a part has none; ``needs`` then names the missing metrics, with derived parts spelled out.
    ``interval`` accounts for the covariance of its parts: they are resampled, or linearized, by the same prompts; None
    if a part has only one. ``n_prompts`` is that of the part with the fewest, which decides on the ``method``. The
    counts are of the distinct samples behind it; ``incomplete`` names the parts that lack some of their samples.
    """

    metric: Composite
    value: float | None
    interval: tuple[float, float] | None
    needs: tuple[str, ...]
    incomplete: tuple[str, ...]
    n_requested: int
    n_ok: int
    method: Method = Method.NOTHING
    n_prompts: int = 0


def composite_scores(
    metrics: Sequence[Composite],
    summaries: Sequence[MetricSummary],
    statistics: StatisticsSpec,
    known: Mapping[str, Composite],
) -> list[CompositeSummary]:
    """Return one summary per derived metric, from those of one run; ``known``: every derived metric by name."""
    measured = {summary.scorer.info.name: summary for summary in summaries}
    return [_derived(metric, measured, known, statistics) for metric in metrics]


def _derived(
    metric: Composite,
    measured: Mapping[str, MetricSummary],
    known: Mapping[str, Composite],
    statistics: StatisticsSpec,
) -> CompositeSummary:
    leaves = leaf_metrics(metric, known)
    used = [measured[name] for name in leaves if name in measured]
    values = {summary.scorer.info.name: summary.value for summary in used if summary.value is not None}
    needs = tuple(name for name in leaves if name not in values)
    value = interval = None
    method, prompts = Method.NOTHING, 0
    if not needs:
        value = float(combined(metric, values, known))
        if any(summary.method == Method.STATED for summary in used):
            method = Method.STATED
        else:
            found = _interval_of(metric, used, known, statistics)
            low, high = float(found.low[-1]), float(found.high[-1])
            interval = None if low != low else (low, high)
            method, prompts = found.methods[-1], int(found.clusters[-1])
    counted = {score.unit.digest: score.status for summary in used for score in summary.samples}
    ok = {score.unit.digest for summary in used for score in summary.samples if score.status == Status.OK}
    return CompositeSummary(
        metric=metric,
        value=value,
        interval=interval,
        needs=needs,
        incomplete=tuple(s.scorer.info.name for s in used if s.value is not None and s.n_failed + s.n_missing),
        n_requested=len(counted),
        n_ok=len(ok),
        method=method,
        n_prompts=prompts,
    )


def _interval_of(
    metric: Composite,
    leaves: Sequence[MetricSummary],
    known: Mapping[str, Composite],
    statistics: StatisticsSpec,
) -> Intervals:
    """Intervals of the leaves and, last, of the metric."""
    import numpy as np

    def add(means: np.ndarray) -> np.ndarray:
        values = {leaf.scorer.info.name: means[..., index] for index, leaf in enumerate(leaves)}
        return np.concatenate([means, combined(metric, values, known)[..., None]], axis=-1)

    sums, weights = (np.stack([getattr(leaf, part) for leaf in leaves], axis=-1) for part in ("sums", "weights"))
    binary = [leaf.scorer.info.binary for leaf in leaves]
    return cluster_means(sums[None], weights[None], statistics, binary, add).intervals(statistics.confidence)


def combined(metric: Composite, leaves: Mapping[str, Number], known: Mapping[str, Composite]) -> Number:
    """Compute the metric from the values of all its :func:`leaf_metrics`, via its derived parts."""
    inner = {part.metric: combined(known[part.metric], leaves, known) for part in metric.parts if part.metric in known}
    return metric.value({**leaves, **inner})


def leaf_metrics(metric: Composite, known: Mapping[str, Composite]) -> tuple[str, ...]:
    """The measured metrics that ``metric`` rests on, in order, each once."""
    leaves: dict[str, None] = {}
    for part in metric.parts:
        inner = leaf_metrics(known[part.metric], known) if part.metric in known else (part.metric,)
        leaves.update(dict.fromkeys(inner))
    return tuple(leaves)
