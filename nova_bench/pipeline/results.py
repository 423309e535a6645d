"""The results of a run from the store: its samples, the summary of each metric, and its composite scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nova_bench.config.catalog import COMPOSITES
from nova_bench.config.suite import StatisticsSpec
from nova_bench.pipeline.aggregate import MetricSummary, collect, collect_rows, summarise
from nova_bench.pipeline.categories import CategoryScore, category_scores
from nova_bench.pipeline.composite import CompositeSummary, composite_scores
from nova_bench.pipeline.places import Places
from nova_bench.pipeline.plan import Plan
from nova_bench.pipeline.sample_filter import filter_samples, required_plan
from nova_bench.store import Artifact, FailedUnit, Store


@dataclass(frozen=True)
class RunResults:
    """What the store holds of one run. ``places`` decides how a report names files.

    ``plan`` has only the samples that its filters ask for.
    """

    plan: Plan
    places: Places
    artifacts: dict[str, Artifact | FailedUnit]
    summaries: tuple[MetricSummary, ...]
    final: tuple[CompositeSummary, ...]
    categories: Mapping[str, tuple[CategoryScore, ...]] = field(default_factory=dict)
    """Metric -> its categories, for metrics that have some."""


def read_results(plan: Plan, store: Store, statistics: StatisticsSpec | None = None) -> RunResults:
    """Read a run's results; intervals follow its own suite's rules unless ``statistics`` states others."""
    statistics = statistics or plan.suite.statistics
    places = Places(store.root, plan.units)
    artifacts = places.artifacts(store.recorded_artifacts(unit.digest for unit in plan.units))
    rows = places.rows(store.rows((scorer.identity for scorer in plan.scorers), details=True))
    plan = required_plan(plan, artifacts, rows)
    samples = [collect(plan.units, scorer, artifacts, rows) for scorer in plan.scorers]
    summaries = summarise(*filter_samples(plan.scorers, samples), statistics)
    composites = [COMPOSITES.get(name) for name in plan.suite.derived]
    final = composite_scores(composites, summaries, statistics, COMPOSITES.all())
    categories = {
        scorer.info.name: category_scores(scorer, collect_rows(plan.units, scorer, artifacts, rows), statistics)
        for scorer in plan.scorers
        if scorer.info.breakdown
    }
    return RunResults(plan, places, artifacts, tuple(summaries), tuple(final), categories)
