"""How a benchmark's final scores come about: each dimension's value, its range, its normalized value and its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_bench.config.catalog import COMPOSITES
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.pipeline.composite import CompositeSummary
from nova_bench.protocols.base import Composite, Part
from nova_bench.render.table import Cell, Column, Row, Table

NOTE = (
    "Normalized is (value - min) / (max - min), not clipped. A final score is the mean of its parts' normalized "
    "values by weight. It has a value only if all of its parts do."
)


def final_scores_table(summaries: Sequence[MetricSummary], final: Sequence[CompositeSummary]) -> Table | None:
    """One row per dimension, then one per final score; None if no final score normalizes or weights its parts."""
    composites = [score.metric for score in final]
    if not any(_is_normalized(part) for metric in composites for part in metric.parts):
        return None
    cells = {summary.scorer.info.name: _measured(summary) for summary in summaries}
    cells |= {score.metric.name: _final(score) for score in final}
    names = {metric.name for metric in composites}
    weights = {part.metric: part.weight for metric in composites for part in metric.parts}
    rows = [
        Row({"metric": Cell(part.metric), **_part_cells(part, cells)}, metric.name)
        for metric in composites
        for part in metric.parts
        if part.metric not in COMPOSITES.all()
    ]
    for metric in composites:
        weight = {"weight": Cell(f"{weights[metric.name]:g}")} if metric.name in weights else {}
        rows.append(Row({"metric": Cell(metric.name), **weight, "normalized": cells[metric.name]}, "final scores"))
    return Table(
        id="final_scores",
        title="Final scores",
        columns=(
            Column("metric", "Dimension", "label"),
            Column("range", "Min to max", "label"),
            Column("weight", "Weight", "label"),
            Column("value", "Value"),
            Column("normalized", "Normalized"),
        ),
        rows=tuple(rows),
        caption="; ".join(f"{metric.name}: {_formula(metric)}" for metric in composites if _rests_on(metric, names)),
        notes=(NOTE,),
    )


def _is_normalized(part: Part) -> bool:
    return (part.low, part.high, part.weight) != (0.0, 1.0, 1.0)


def _rests_on(metric: Composite, names: set[str]) -> bool:
    return all(part.metric in names for part in metric.parts)


def _formula(metric: Composite) -> str:
    """The formula of a final score of final scores: ``(4 vbench_quality + vbench_semantic) / 5``."""
    terms = [f"{part.weight:g} {part.metric}" if part.weight != 1 else part.metric for part in metric.parts]
    return f"({' + '.join(terms)}) / {sum(part.weight for part in metric.parts):g}"


def _part_cells(part: Part, cells: Mapping[str, Cell]) -> dict[str, Cell]:
    cell = cells.get(part.metric, Cell(note="not computed: this suite has no scorer of that name"))
    normalized = Cell(note=cell.note)
    if isinstance(cell.value, int | float):
        normalized = Cell((cell.value - part.low) / (part.high - part.low))
    return {
        "range": Cell(f"{part.low:g} to {part.high:g}"),
        "weight": Cell(f"{part.weight:g}"),
        "value": cell,
        "normalized": normalized,
    }


def _measured(summary: MetricSummary) -> Cell:
    info = summary.scorer.info
    return Cell(summary.value, note="" if summary.value is not None else _MISSING, digits=info.digits, unit=info.unit)


def _final(score: CompositeSummary) -> Cell:
    note = "" if score.value is not None else f"not computed: no value of {', '.join(score.needs)}"
    return Cell(score.value, note=note, digits=score.metric.digits, unit=score.metric.unit)


_MISSING = "not computed: see the table of metrics"
