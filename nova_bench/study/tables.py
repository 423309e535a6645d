"""Results of a study -> semantic tables."""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.naming import gaps, why_missing
from nova_bench.scorers.base import ScorerInfo
from nova_bench.study.pooling import Pooled
from nova_bench.study.results import Setting, StudyResults


def metrics_table(results: StudyResults) -> Table:
    """One row per metric and setting: value, interval, counts, difference from the reference."""
    percent = f"{results.record.statistics.confidence * 100:g} % CI"
    several = any(len(setting.arms) > 1 for setting in results.settings)
    published = {f"published{i}": p for i, p in enumerate(results.record.published)}
    of_arms = any(arm.record.published for arm in results.arms)
    columns = [
        Column("metric", "Metric", "label"),
        Column("direction", "Better", "direction", of="value"),
        Column("setting", "Setting", "label"),
        Column("value", "Value"),
        Column("interval", percent, "interval", of="value"),
        Column("count", "n", "count", of="value"),
        *([Column("seeds", "Trainings", "label")] if several else []),
        Column("difference", f"Minus {results.record.reference}"),
        Column("difference_interval", percent, "interval", of="difference"),
        Column("unit", "Unit", "unit", of="value"),
        *([Column("published", "Published")] if of_arms else []),
        *(Column(key, p.label, "published", source=p.source) for key, p in published.items()),
    ]
    pools = {setting.label: results.pooled(setting) for setting in results.settings}
    differences = {setting.label: results.difference(setting) for setting in results.settings}
    rows = []
    for index, (name, info) in enumerate(results.metrics.items()):
        for setting in results.settings:
            cells = {
                "metric": Cell(name),
                "setting": Cell(setting.label),
                "value": _value(setting, info, pools[setting.label], index),
                "difference": _difference(results, setting, info, *differences[setting.label], index),
            }
            if several:
                cells["seeds"] = Cell(_trainings(setting))
            if stated := _published(setting, name):
                cells["published"] = stated
            if setting is results.reference:
                cells |= {key: Cell(p.values[name]) for key, p in published.items() if name in p.values}
            rows.append(Row(cells))
    return Table(
        id="study",
        title=results.record.title,
        columns=tuple(columns),
        rows=tuple(rows),
        caption=results.record.description,
        notes=_notes(results, several),
    )


def _value(setting: Setting, info: ScorerInfo, pool: Pooled, index: int) -> Cell:
    found = [summary for arm in setting.measured if (summary := arm.summary(info.name))]
    counts = {
        "n_requested": sum(summary.n_requested for summary in found),
        "n_ok": sum(summary.n_ok for summary in found),
        "n_failed": sum(summary.n_failed for summary in found),
        "n_skipped": sum(summary.n_not_measurable for summary in found),
    }
    value = float(pool.value[index])
    missing = value != value
    return Cell(
        value,
        ci=(float(pool.low[index]), float(pool.high[index])),
        **(counts if found else {}),
        note=_why_missing(setting, info.name) if missing else "",
        digits=info.digits,
        unit=info.unit,
        higher_is_better=info.higher_is_better,
    )


def _why_missing(setting: Setting, metric: str) -> str:
    for arm in setting.arms:
        if arm.plan is None:
            return f"not computed: {arm.record.problem or 'this study shows trainings only'}"
        if (summary := arm.summary(metric)) and summary.value is None:
            return why_missing(summary)
    return "not asked for: this setting's suite has no scorer of that name"


def _difference(
    results: StudyResults, setting: Setting, info: ScorerInfo, pool: Pooled, counts: Sequence[int], index: int
) -> Cell:
    if setting is results.reference:
        return Cell("reference")
    value = float(pool.value[index])
    note = ""
    if value != value:
        side = next((one for one in (setting, results.reference) if not _has(one, info.name)), None)
        note = _why_missing(side, info.name) if side else "not computed: no prompt has a score of both"
    if not note and counts[index] < len(results.prompts):
        note = f"over the {counts[index]} of {len(results.prompts)} prompts that both have"
    return Cell(value, ci=(float(pool.low[index]), float(pool.high[index])), note=note, digits=info.digits)


def _has(setting: Setting, metric: str) -> bool:
    found = (arm.summary(metric) for arm in setting.measured)
    return any(summary is not None and summary.value is not None for summary in found)


def _trainings(setting: Setting) -> str:
    seeds = [str(arm.record.seed) for arm in setting.arms if arm.record.seed is not None]
    count = f"{len(setting.measured)} of {len(setting.arms)}"
    count = str(len(setting.arms)) if len(setting.measured) == len(setting.arms) else count
    return f"{count} (seeds {', '.join(seeds)})" if seeds else count


def _published(setting: Setting, metric: str) -> Cell | None:
    for arm in setting.arms:
        if (stated := arm.record.published) and metric in stated.values:
            return Cell(stated.values[metric], published=True, source=f"{stated.label}: {stated.source}")
    return None


def _notes(results: StudyResults, several: bool) -> tuple[str, ...]:
    statistics = results.record.statistics
    percent = f"{statistics.confidence * 100:g} %"
    notes = [
        f"Intervals: {percent} percentile bootstrap over prompts, {statistics.resamples:,} resamples, "
        f"seed {statistics.seed}; none where fewer than two prompts have a score.",
        "Differences are paired: taken over the prompts that both have, with the same prompts drawn for both.",
    ]
    if several:
        notes.append(
            "Several trainings of one setting are pooled: the mean over them; to the prompts' part of the interval "
            "Student's interval over trainings is added in quadrature. With one training the interval says nothing of "
            "how much another one would differ."
        )
    return tuple(notes)


def study_gaps(results: StudyResults) -> list[str]:
    """What was asked for and has no number, arm by arm."""
    problem = results.record.diagram_problem
    found = [f"diagram not drawn: {problem}"] if problem else []
    for arm in results.arms:
        problems = gaps(arm.summaries) if arm.plan else []
        problems += [f"not computed: {arm.record.problem}"] if arm.record.problem else []
        problems += [f"training not shown: {arm.record.training_problem}"] if arm.record.training_problem else []
        found += [f"{arm.record.label}: {problem}" for problem in problems]
    return found
