"""Metrics by category, such as DPG-Bench's thirteen kinds of questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_bench.config.suite import StatisticsSpec
from nova_bench.pipeline.categories import CategoryScore
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.naming import category_name, interval_fields, interval_note

_NONE = "not computed: no answer counts"


def categories_table(categories: Mapping[str, Sequence[CategoryScore]], statistics: StatisticsSpec) -> Table | None:
    """One row per category, in groups, with a share for each metric that has it; None without categories."""
    found = {metric: {part.name: part for part in parts} for metric, parts in categories.items() if parts}
    if not found:
        return None
    parts = {name: part for by_name in found.values() for name, part in by_name.items()}
    order = list(dict.fromkeys(part.group for part in parts.values()))
    columns = [Column("category", "Category", "label")]
    for index, metric in enumerate(found):
        columns.append(Column(f"m{index}", metric, unit="%", scale=100.0, digits=2))
        columns.append(Column(f"q{index}", "Questions", "label"))
    rows = []
    for part in sorted(parts.values(), key=lambda part: (order.index(part.group), part.name)):
        cells = {"category": Cell(category_name(part.name))}
        for index, by_name in enumerate(found.values()):
            if one := by_name.get(part.name):
                cells |= {f"m{index}": _cell(one), f"q{index}": Cell(_questions(one))}
        rows.append(Row(cells, part.group))
    made = [(metric, part.method, part.n_prompts) for metric, by_name in found.items() for part in by_name.values()]
    return Table(
        id="categories",
        title="By category",
        columns=tuple(columns),
        rows=tuple(rows),
        caption="Share of answers that are yes, as each metric counts them; questions: those with answers, of all.",
        notes=(interval_note(statistics, made),),
    )


def _cell(part: CategoryScore) -> Cell:
    if part.share is None:
        return Cell(note=_NONE)
    return Cell(part.share, **interval_fields(part.interval, part.method, part.n_prompts))


def _questions(part: CategoryScore) -> str:
    return f"{part.questions:,}" if part.questions == part.asked else f"{part.questions:,} of {part.asked:,}"
