"""The measured rows of a benchmark's own table of models: which runs, modes and judges it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nova_bench.config.suite import LeaderboardSpec
from nova_bench.core.judge_names import judge_label
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.pipeline.categories import CategoryScore
from nova_bench.pipeline.plan import Plan
from nova_bench.report.naming import model_name
from nova_bench.store import Status


@dataclass(frozen=True)
class RankedRun:
    """A run that has rows in the table, under the name ``label``."""

    label: str
    plan: Plan
    summaries: Sequence[MetricSummary]
    categories: Mapping[str, Sequence[CategoryScore]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plan: Plan,
        summaries: Sequence[MetricSummary],
        categories: Mapping[str, Sequence[CategoryScore]],
        label: str = "",
    ) -> RankedRun:
        """A run under its model's name unless it has another label."""
        return cls(label or model_name(plan), plan, summaries, categories)


@dataclass(frozen=True)
class Kind:
    """What decides whether rows may stand in one table: the benchmark's mode, and the name of what was changed."""

    mode: str
    variant: str
    """What follows @ in a metric's name; empty for the metrics of the published numbers."""

    def metric(self, name: str, overall: str, head: str) -> str:
        """The metric of this kind for a column whose metric is called ``name``."""
        of_mode = name if head == overall else head + name.removeprefix(overall)
        return f"{of_mode}@{self.variant}" if self.variant else of_mode


@dataclass(frozen=True)
class MeasuredRow:
    """A measured row: a summary for each column, None for a metric that the run lacks."""

    run: RankedRun
    summaries: tuple[MetricSummary | None, ...]
    whole: bool
    """Whether it covers what the published rows cover."""

    @property
    def overall(self) -> MetricSummary:
        """The summary of the first column, which every row has."""
        assert self.summaries[0] is not None
        return self.summaries[0]

    @property
    def judge(self) -> str:
        """Who judged, if a model did."""
        return judge_label(str(getattr(self.overall.scorer.settings, "judge", "")))

    @property
    def items(self) -> str:
        """Prompts with a value, of all prompts."""
        asked = {score.unit.prompt_id for score in self.overall.samples}
        scored = {score.unit.prompt_id for score in self.overall.samples if score.status == Status.OK}
        return counted(len(scored), len(asked))

    @property
    def questions(self) -> str:
        """Questions with answers that count, of all; empty if the metric has no categories."""
        found = self.run.categories.get(self.overall.scorer.info.name, ())
        return counted(sum(part.questions for part in found), sum(part.asked for part in found)) if found else ""


def measured_rows(spec: LeaderboardSpec, runs: Sequence[RankedRun]) -> dict[Kind, list[MeasuredRow]]:
    """The measured rows of each mode and judge, in the order of the modes and runs."""
    columns = list(spec.columns.values())
    found: dict[Kind, list[MeasuredRow]] = {}
    for mode, head in (spec.modes or {"": columns[0]}).items():
        for run in runs:
            known = {summary.scorer.info.name: summary for summary in run.summaries}
            for name in known:
                registered, _, variant = name.partition("@")
                if registered == head:
                    kind = Kind(mode, variant)
                    parts = tuple(known.get(kind.metric(column, columns[0], head)) for column in columns)
                    found.setdefault(kind, []).append(MeasuredRow(run, parts, _is_whole(spec, known[name])))
    return found


def _is_whole(spec: LeaderboardSpec, overall: MetricSummary) -> bool:
    complete = overall.value is not None and not overall.n_failed and not overall.n_missing
    return complete and overall.n_requested >= (spec.samples or 0)


def counted(count: int, total: int) -> str:
    """``1,064 of 1,065``, or one number if both are equal."""
    return f"{count:,}" if count == total else f"{count:,} of {total:,}"
