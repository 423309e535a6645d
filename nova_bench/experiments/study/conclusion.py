"""What a study concludes, in one sentence, from its tables."""

from __future__ import annotations

from collections.abc import Iterable

from nova_bench.experiments.study.spec import ConclusionSpec
from nova_bench.render.table import Cell, Row, Table

POWER = "80 % power"


def conclude(asked: ConclusionSpec, tables: Iterable[Table]) -> str:
    """The sentence, without its full stop, from the first table with that difference; empty if none has it.

    A difference is shown if its interval excludes 0. Otherwise the sentence states the smallest one that would have
    been, where the table knows it.
    """
    for table in tables:
        for row in table.rows:
            found = row.cells.get("difference")
            if found is not None and isinstance(found.value, float) and _is_asked(row, asked):
                reference = next((c.title for c in table.columns if c.key == "difference"), "").removeprefix("Minus ")
                sentence = (_ahead if "ahead" in row.cells else _sentence)(asked, row, found, reference)
                return f"{sentence[0].upper()}{sentence[1:]}"
    return ""


def _is_asked(row: Row, asked: ConclusionSpec) -> bool:
    named = row.cells.get("metric")
    return row.cells["setting"].value == asked.of and asked.about in (row.group, named.value if named else None)


def _ahead(asked: ConclusionSpec, row: Row, found: Cell, baseline: str) -> str:
    """How many steps it stays better than the baseline (:func:`nova_bench.experiments.study.curves.ahead_tables`)."""
    last, steps = row.cells["ahead"].value, row.cells["of"].value
    if not last:
        return f"{asked.of}: {asked.about} is not shown to be better than the {baseline}'s at the first step"
    until = f"at all {steps} steps" if last == steps else f"until step {last} of {steps}"
    return f"{asked.of}: {asked.about} is better than the {baseline}'s {until}"


def _sentence(asked: ConclusionSpec, row: Row, found: Cell, reference: str) -> str:
    digits = 3 if found.digits is None else found.digits
    unit = found.unit if found.unit == "%" else f" {found.unit}" if found.unit else ""
    low, high = found.ci or (float("nan"), float("nan"))
    pair = f"{asked.of} against {reference}"
    if low != low:
        return f"{pair}: {asked.about} differs by {found.value:+.{digits}f}{unit}; how surely isn't known"
    between = f"{low:.{digits}f} to {high:.{digits}f}"
    if low > 0 or high < 0:
        return f"{pair}: {asked.about} differs by {found.value:+.{digits}f}{unit} ({between})"
    visible = row.cells.get("visible")
    enough = (
        f"; {visible.value:.{digits}f} would have been with {POWER}"
        if visible is not None and isinstance(visible.value, float)
        else ""
    )
    return f"{pair}: no difference in {asked.about} was shown ({found.value:+.{digits}f}{unit}, {between}{enough})"
