"""How the trainings of a study went (App. A and B): a table of final numbers, and curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.core.statistics import smallest_visible, student_interval
from nova_bench.experiments.study.held_out import held_out_tables
from nova_bench.experiments.study.results import StudyResults
from nova_bench.experiments.study.spec import TrainingSpec
from nova_bench.experiments.study.training_measures import MEASURES, NOTES, Measure
from nova_bench.experiments.study.trainings import Trainings
from nova_bench.render.table import Cell, Column, Row, Table

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec


VISIBLE = (
    "Visible: the smallest true difference for which the interval of so many trainings excludes 0 in 80 % of cases, if "
    "they scatter as these do. A difference below it may exist without being seen."
)


def training_part(results: StudyResults, asked: TrainingSpec) -> tuple[list[Table], list[FigureSpec]]:
    """The table, and figures of losses, gradient norms and block outputs. Empty if no arm has a record."""
    from nova_bench.experiments.study.training_figures import training_figures

    trainings = [
        Trainings(
            setting, {arm.record.training.seed: arm.record.training for arm in setting.arms if arm.record.training}
        )
        for setting in results.settings
    ]
    known = [each for each in trainings if each.records]
    if not known:
        return [], []
    confidence = results.record.statistics.confidence
    tables = [_table(results, trainings), *held_out_tables(results, trainings)]
    return tables, training_figures(known, asked.points, confidence)


def _table(results: StudyResults, trainings: list[Trainings]) -> Table:
    percent = f"{results.record.statistics.confidence * 100:g} % CI"
    reference = next(each for each in trainings if each.setting is results.reference)
    columns = (
        Column("setting", "Setting", "label"),
        Column("direction", "Better", "direction", of="value"),
        Column("value", "Value"),
        Column("interval", percent, "interval", of="value"),
        Column("trainings", "Trainings", "label"),
        Column("difference", f"Minus {results.record.reference}"),
        Column("difference_interval", percent, "interval", of="difference"),
        Column("visible", "Visible"),
        Column("unit", "Unit", "unit", of="value"),
    )
    rows = []
    for measure in MEASURES:
        if any(measure.of(record) is not None for each in trainings for record in each.records.values()):
            rows += [_row(results, measure, each, reference) for each in trainings]
    some = next(record for each in trainings for record in each.records.values())
    kind = f"{some.title[:1].lower()}{some.title[1:]}" or some.name
    return Table(
        id="training",
        title="Training",
        columns=columns,
        rows=tuple(rows),
        caption=" ".join(
            [
                *([results.record.description] if not results.metrics else []),
                f"{len(some.grad_norm):,} steps each, of {kind} and its alternatives.",
            ]
        ),
        notes=(
            *NOTES,
            f"Intervals: Student's {percent.removesuffix(' CI')} interval of the mean over trainings; none for a "
            "single one. Differences are paired: trainings of one seed saw the same clips in one order.",
            VISIBLE,
        ),
    )


def _row(results: StudyResults, measure: Measure, each: Trainings, reference: Trainings) -> Row:
    mine, theirs = (
        {seed: value for seed, record in one.records.items() if (value := measure.of(record)) is not None}
        for one in (each, reference)
    )
    better = False if measure.lower_is_better else None
    cells = {
        "setting": Cell(each.label),
        "trainings": Cell(_seeds(each)),
        "value": _mean(results, list(mine.values()), measure, _why_missing(each), better),
    }
    if each is reference:
        cells["difference"] = Cell("reference")
    else:
        both = [mine[seed] - theirs[seed] for seed in mine if seed in theirs]
        cells["visible"] = _visible(results, both, measure)
        cells["difference"] = _mean(results, both, measure, "not computed: no seed has it in both", None)
    return Row(cells, group=measure.title)


def _mean(results: StudyResults, values: list[float], measure: Measure, missing: str, better: bool | None) -> Cell:
    import numpy as np

    if not values:
        return Cell(None, note=missing, unit=measure.unit)
    mean, low, high = (float(x) for x in student_interval(np.array(values), results.record.statistics.confidence))
    equal = f"all {len(values)} equal" if len(values) > 1 and low != low else ""
    return Cell(
        mean, ci=(low, high), ci_missing=equal, digits=measure.digits, unit=measure.unit, higher_is_better=better
    )


def _visible(results: StudyResults, differences: list[float], measure: Measure) -> Cell:
    """The smallest difference that so many seeds show with 80 % power, if they scatter as these do."""
    import numpy as np

    if len(differences) < 2:
        return Cell(None, note="not known: needs two seeds in both")
    confidence = results.record.statistics.confidence
    found = smallest_visible(float(np.std(differences, ddof=1)), len(differences), confidence)
    return Cell(found, digits=measure.digits, unit=measure.unit)


def _seeds(each: Trainings) -> str:
    if not each.records:
        return ""
    return f"{len(each.records)} (seed{'s' if len(each.records) > 1 else ''} {', '.join(map(str, each.records))})"


def _why_missing(each: Trainings) -> str:
    if each.records:
        return "not measured in these trainings"
    problem = next((arm.record.training_problem for arm in each.setting.arms if arm.record.training_problem), "")
    return f"not computed: {problem}" if problem else "not stated: the study names no record of its training"
