"""Runs of the arms -> settings with their scores, aligned by prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from nova_bench.config.catalog import COMPOSITES
from nova_bench.experiments.study.pooling import Pooled, difference, pooled
from nova_bench.experiments.study.record import ArmRecord, StudyRecord
from nova_bench.pipeline.aggregate import MetricSummary, SampleScore
from nova_bench.pipeline.categories import CategoryScore
from nova_bench.pipeline.composite import CompositeSummary, combined, leaf_metrics
from nova_bench.pipeline.plan import Plan
from nova_bench.pipeline.record import plan_of
from nova_bench.pipeline.results import read_results
from nova_bench.protocols.base import Composite
from nova_bench.report.reported import LOST
from nova_bench.report.sources import Sources
from nova_bench.scorers.base import ScorerInfo
from nova_bench.store import Artifact, FailedUnit, Status, Store
from nova_bench.video.limits import MediaLimits

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ArmResult:
    """One arm with everything that the store holds of it; without a plan if nothing was measured."""

    record: ArmRecord
    plan: Plan | None = None
    artifacts: dict[str, Artifact | FailedUnit] = field(default_factory=dict)
    summaries: tuple[MetricSummary, ...] = ()
    final: tuple[CompositeSummary, ...] = ()
    categories: Mapping[str, tuple[CategoryScore, ...]] = field(default_factory=dict)

    @property
    def measured_plan(self) -> Plan:
        """The plan of an arm that was measured."""
        assert self.plan is not None, f"{self.record.label} was not measured"
        return self.plan

    def summary(self, metric: str) -> MetricSummary | None:
        """The summary of a metric for this arm."""
        return next((summary for summary in self.summaries if summary.scorer.info.name == metric), None)

    def final_score(self, name: str) -> CompositeSummary | None:
        """The summary of a derived metric for this arm."""
        return next((score for score in self.final if score.metric.name == name), None)


@dataclass(frozen=True)
class Setting:
    """Arms that are pooled: one, or one per training seed."""

    label: str
    arms: tuple[ArmResult, ...]

    @property
    def measured(self) -> tuple[ArmResult, ...]:
        """The arms that were measured."""
        return tuple(arm for arm in self.arms if arm.plan is not None)


@dataclass(frozen=True)
class StudyResults:
    """A study with the results of its arms."""

    record: StudyRecord
    arms: tuple[ArmResult, ...]
    sources: Sources | None = None
    """The arms' files; None if none is shown."""

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """Groups and single arms, in the order in which they are first named."""
        names = dict.fromkeys(arm.record.setting for arm in self.arms)
        return tuple(Setting(name, tuple(a for a in self.arms if a.record.setting == name)) for name in names)

    @property
    def reference(self) -> Setting:
        """The setting that differences are relative to."""
        return next(setting for setting in self.settings if setting.label == self.record.reference)

    @cached_property
    def metrics(self) -> dict[str, ScorerInfo]:
        """Every metric of any arm, in the arms' order."""
        return {s.scorer.info.name: s.scorer.info for arm in self.arms for s in arm.summaries}

    @cached_property
    def derived(self) -> dict[str, Composite]:
        """Every derived metric of any arm, in the arms' order."""
        return {score.metric.name: score.metric for arm in self.arms for score in arm.final}

    @cached_property
    def columns(self) -> dict[str, ScorerInfo | Composite]:
        """The pooled and compared columns, in the order of the pools: all of ``metrics``, then all of ``derived``."""
        return {**self.metrics, **self.derived}

    def leaves(self, column: str) -> tuple[str, ...]:
        """The metrics behind a column: those of a derived one, or itself."""
        return leaf_metrics(self.derived[column], COMPOSITES.all()) if column in self.derived else (column,)

    @cached_property
    def prompts(self) -> dict[str, int]:
        """Prompt id -> position, over all arms."""
        units = (unit for arm in self.arms if arm.plan for unit in arm.plan.units)
        return {name: index for index, name in enumerate(dict.fromkeys(unit.prompt_id for unit in units))}

    def pooled(self, setting: Setting) -> Pooled:
        """Value and interval of each of ``columns``; intervals are cut off at the limits of a metric's values."""
        binary = [info.binary for info in self.metrics.values()]
        found = pooled(*self._scores(setting), self.record.statistics, binary, self._with_derived)
        return found.within([info.range for info in self.metrics.values()] + [(None, None)] * len(self.derived))

    def difference(self, setting: Setting) -> tuple[Pooled, dict[str, int]]:
        """The setting minus the reference over the prompts they share, and their number for each column."""
        sides = *self._scores(setting), *self._scores(self.reference)
        found, shared = difference(*sides, self.record.statistics, self._with_derived)
        place = {name: index for index, name in enumerate(self.metrics)}
        behind = {name: [place[leaf] for leaf in self.leaves(name) if leaf in place] for name in self.columns}
        return found, {name: int(shared[:, metrics].any(axis=1).sum()) for name, metrics in behind.items()}

    def asked(self, column: str, *settings: Setting) -> int:
        """On how many prompts the settings' suites measure a column's metrics."""
        arms = [arm for setting in settings for arm in setting.measured]
        summaries = [summary for arm in arms for leaf in self.leaves(column) if (summary := arm.summary(leaf))]
        return len({score.unit.prompt_id for summary in summaries for score in summary.samples})

    def _with_derived(self, means: np.ndarray) -> np.ndarray:
        """Means of ``metrics`` [..., metrics] with those of ``derived`` appended, NaN if a part has none."""
        import numpy as np

        known = {name: means[..., index] for index, name in enumerate(self.metrics)}
        nowhere = np.full(means.shape[:-1], np.nan)
        added = [
            combined(metric, {leaf: known.get(leaf, nowhere) for leaf in self.leaves(name)}, COMPOSITES.all())
            for name, metric in self.derived.items()
        ]
        return np.concatenate([means, *(values[..., None] for values in added)], axis=-1)

    def _scores(self, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
        column = {name: index for index, name in enumerate(self.metrics)}

        def mean(summary: MetricSummary) -> Iterable[tuple[int, SampleScore, float]]:
            for score in summary.samples:
                if score.status == Status.OK:
                    yield column[summary.scorer.info.name], score, score.value

        return self.arrays(setting, len(column), mean)

    def arrays(
        self,
        setting: Setting,
        width: int,
        values: Callable[[MetricSummary], Iterable[tuple[int, SampleScore, float]]],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sums and weights [seeds, prompts, width] of the (column, score, value) that ``values`` finds in summaries."""
        import numpy as np

        sums = np.zeros((max(1, len(setting.measured)), len(self.prompts), width))
        weights = np.zeros_like(sums)
        for index, arm in enumerate(setting.measured):
            for summary in arm.summaries:
                weighted = summary.scorer.info.average == "weighted"
                for column, score, value in values(summary):
                    weight = score.scored.weight if weighted else 1.0
                    place = index, self.prompts[score.unit.prompt_id], column
                    sums[place] += value * weight
                    weights[place] += weight
        return sums, weights


def results_of(record: StudyRecord, store: Store) -> StudyResults:
    """Read the runs of a study's arms from the store."""
    arms = tuple(_arm_result(arm, record, store) for arm in record.arms)
    limits = [arm.plan.suite.media for arm in arms if arm.plan is not None]
    # Folders of frames, if an arm has any, are read at its rate.
    chosen = next((each for each in limits if each.folder_fps is not None), MediaLimits())
    return StudyResults(record, arms, Sources(store, chosen))


def _arm_result(arm: ArmRecord, record: StudyRecord, store: Store) -> ArmResult:
    if not arm.run:
        return ArmResult(arm)
    if not store.has_run(arm.run):
        return ArmResult(arm.model_copy(update={"problem": LOST}))
    found = read_results(plan_of(store.run(arm.run)), store, record.statistics)
    return ArmResult(arm, found.plan, found.artifacts, found.summaries, found.final, found.categories)
