"""Results of a study -> figure specifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.experiments.study.results import StudyResults
from nova_bench.render.figure_spec import Interval, MetricIntervals
from nova_bench.scorers.base import ScorerInfo

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec


def study_figures(results: StudyResults) -> list[FigureSpec]:
    """For each metric and derived metric, every setting's value with its interval."""
    pools = {setting.label: results.pooled(setting) for setting in results.settings}
    percent = f"{results.record.statistics.confidence * 100:g} % CI"
    figures: list[FigureSpec] = []
    for index, (name, info) in enumerate(results.columns.items()):
        if isinstance(info, ScorerInfo) and info.tally and not info.breakdown:
            continue  # parts of a metric have a figure of their own
        intervals = []
        for setting in results.settings:
            pool = pools[setting.label]
            value, low, high = (float(part[index]) for part in (pool.value, pool.low, pool.high))
            intervals.append(
                Interval(
                    setting.label,
                    value if value == value else None,
                    (low, high) if low == low else None,
                    unit=info.unit,
                    digits=info.digits,
                )
            )
        figures.append(
            MetricIntervals(
                id=f"settings_{name.replace('/', '_')}",
                title=f"Which setting has the best {name}?",
                caption="An interval is where the mean over prompts may lie; a pair is compared in the table.",
                intervals=tuple(intervals),
                ci_label=f"mean, {percent}",
                one_scale=True,
            )
        )
    return figures
