"""Summaries -> figure specifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.pipeline.composite import CompositeSummary
from nova_bench.pipeline.plan import Plan
from nova_bench.render.figure_spec import Group, Interval, MetricDistribution, MetricIntervals, Panel
from nova_bench.report.naming import interval_name, interval_note, is_part, methods_of, model_name
from nova_bench.store import Status

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec


def run_figures(
    plan: Plan, summaries: Sequence[MetricSummary], final: Sequence[CompositeSummary] = ()
) -> list[FigureSpec]:
    """Means with intervals beside published numbers, and the distribution of single samples.

    Parts of a metric, such as its categories, are left to tables and figures of their own.
    """
    summaries = [summary for summary in summaries if not is_part(summary)]
    first = plan.suite.published[0] if plan.suite.published else None
    intervals = [
        Interval(
            label=summary.scorer.info.name,
            value=summary.value,
            ci=summary.interval,
            published=first.values.get(summary.scorer.info.name) if first else None,
            unit=summary.scorer.info.unit,
            digits=summary.scorer.info.digits,
            note="not computed" if summary.n_not_measurable < summary.n_requested else "not measurable",
            range=_range(summary),
        )
        for summary in summaries
    ]
    intervals += [
        Interval(
            label=score.metric.name,
            value=score.value,
            ci=score.interval,
            published=first.values.get(score.metric.name) if first else None,
            unit=score.metric.unit,
            digits=score.metric.digits,
        )
        for score in final
    ]
    panels = [
        Panel(
            summary.scorer.info.name,
            (Group(model_name(plan), tuple(s.value for s in summary.samples if s.status == Status.OK)),),
            summary.scorer.info.unit,
            _range(summary),
        )
        for summary in summaries
        if summary.n_ok
    ]
    figures: list[FigureSpec] = [
        MetricIntervals(
            id="metric_intervals",
            title="How good is each metric, and how sure is that?",
            caption="The line is where the mean over prompts may lie. "
            + interval_note(plan.suite.statistics, methods_of(summaries, final)),
            intervals=tuple(intervals),
            published_label=f"published: {first.label}" if first else "published",
            ci_label=f"mean, {interval_name(plan)}",
        )
    ]
    if panels:
        figures.append(
            MetricDistribution(
                id="metric_distribution",
                title="Do all samples score alike, or do a few decide the mean?",
                caption="A dot is a sample, the bar their mean.",
                panels=tuple(panels),
                width="page",
            )
        )
    return figures


def _range(summary: MetricSummary) -> tuple[float, float] | None:
    low, high = summary.scorer.info.range
    return None if low is None or high is None else (low, high)
