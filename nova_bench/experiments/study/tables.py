"""Results of a study -> semantic tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nova_bench.core.intervals import Method
from nova_bench.experiments.study.pooling import Pooled
from nova_bench.experiments.study.results import Setting, StudyResults
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.naming import gaps, interval_note, why_missing
from nova_bench.report.unclear_answers import unclear_answers


def metrics_table(results: StudyResults) -> Table:
    """One row per metric or derived metric and setting: value, interval, counts, difference from the reference."""
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
    for name in results.columns:
        for setting in results.settings:
            cells = {
                "metric": Cell(name),
                "setting": Cell(setting.label),
                "value": value_cell(results, setting, name, pools[setting.label]),
                "difference": _difference(results, setting, name, *differences[setting.label]),
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
        notes=_notes(results, pools.values(), [pool for pool, _ in differences.values()]),
    )


def value_cell(results: StudyResults, setting: Setting, name: str, pool: Pooled) -> Cell:
    """A column of ``results.columns`` for a setting, from its ``pool``; without a value, the note says why."""
    about, place = results.columns[name], list(results.columns).index(name)
    value = float(pool.value[place])
    missing = value != value
    return Cell(
        value,
        **pool.cell(place),
        **({} if missing and name in results.derived else _counts(setting, name)),
        note=_why_missing(setting, name) if missing else _what_lacks(setting, name),
        digits=about.digits,
        unit=about.unit,
        higher_is_better=about.higher_is_better,
    )


def _counts(setting: Setting, name: str) -> dict[str, Any]:
    """Samples behind a value over the setting's arms; empty if no arm has the metric."""
    if final := [score for arm in setting.measured if (score := arm.final_score(name))]:
        return {"n_requested": sum(score.n_requested for score in final), "n_ok": sum(score.n_ok for score in final)}
    found = [summary for arm in setting.measured if (summary := arm.summary(name))]
    counts = {
        "n_requested": sum(summary.n_requested for summary in found),
        "n_ok": sum(summary.n_ok for summary in found),
        "n_failed": sum(summary.n_failed for summary in found),
        "n_skipped": sum(summary.n_not_measurable for summary in found),
    }
    return counts if found else {}


def _what_lacks(setting: Setting, name: str) -> str:
    """Parts of a derived metric that lack some of their samples; empty for other metrics."""
    final = [score for arm in setting.measured if (score := arm.final_score(name))]
    parts = dict.fromkeys(part for score in final for part in score.incomplete)
    return f"some samples lack {', '.join(parts)}" if parts else ""


def _why_missing(setting: Setting, name: str) -> str:
    for arm in setting.arms:
        if arm.plan is None:
            return f"not computed: {arm.record.problem or 'this study shows trainings only'}"
        if (final := arm.final_score(name)) and final.value is None:
            return f"not computed: needs {', '.join(final.needs)}"
        if (summary := arm.summary(name)) and summary.value is None:
            return why_missing(summary)
    return "not asked for: this setting's suite has no metric of that name"


def _difference(results: StudyResults, setting: Setting, name: str, pool: Pooled, shared: Mapping[str, int]) -> Cell:
    if setting is results.reference:
        return Cell("reference")
    place = list(results.columns).index(name)
    value = float(pool.value[place])
    note = ""
    if value != value:
        side = next((one for one in (setting, results.reference) if not _has(one, name)), None)
        note = _why_missing(side, name) if side else "not computed: no prompt has a score of both"
    elif shared[name] < (asked := results.asked(name, setting, results.reference)):
        note = f"over the {shared[name]} of {asked} prompts that both have"
    interval = pool.cell(place, f"all {shared[name]} differences equal")
    return Cell(value, **interval, note=note, digits=results.columns[name].digits)


def _has(setting: Setting, name: str) -> bool:
    found = (arm.final_score(name) or arm.summary(name) for arm in setting.measured)
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


def _notes(results: StudyResults, pools: Iterable[Pooled], differences: Iterable[Pooled]) -> tuple[str, ...]:
    statistics = results.record.statistics
    trainings = max((len(setting.measured) for setting in results.settings), default=1)

    def made(found: Iterable[Pooled]) -> Iterator[tuple[str, Method, int]]:
        for pool in found:
            yield from zip(results.columns, pool.intervals.methods, pool.intervals.clusters.tolist(), strict=True)

    notes = [
        interval_note(statistics, made(pools), trainings=trainings),
        "Differences are paired: taken over the prompts that both have, with the same prompts drawn for both. "
        + interval_note(statistics, made(differences), "of differences", 2 * trainings),
    ]
    if any(len(setting.arms) > 1 for setting in results.settings):
        notes.append(
            "Several trainings of one setting are pooled: the mean over them. The variance between trainings is added "
            "to that between prompts, with Satterthwaite's degrees of freedom, and intervals are cut off where a "
            "metric's values end. With one training the interval says nothing of how much another one would differ."
        )
    return tuple(notes)


def study_gaps(results: StudyResults) -> list[str]:
    """What was requested but has no value; arms with the same gap share a line."""
    problem = results.record.diagram_problem
    lines: dict[str, list[str]] = {}
    for arm in results.arms:
        problems = [*gaps(arm.summaries, arm.plan.suite.name), *unclear_answers(arm.summaries)] if arm.plan else []
        problems += [f"not computed: {arm.record.problem}"] if arm.record.problem else []
        problems += [f"training not shown: {arm.record.training_problem}"] if arm.record.training_problem else []
        lacking = arm.record.stability_problem
        problems += [f"learning rates not shown: {lacking}"] if lacking else []
        for each in problems:
            lines.setdefault(each, []).append(arm.record.label)
    found = [f"{', '.join(labels)}: {each}" for each, labels in lines.items()]
    return [f"diagram not drawn: {problem}", *found] if problem else found
