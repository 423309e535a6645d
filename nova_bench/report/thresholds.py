"""Whether a final score satisfies its benchmark's own threshold: by that rule, and by the score's interval."""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.pipeline.composite import CompositeSummary
from nova_bench.protocols.base import Threshold
from nova_bench.render.table import Cell, Column, Row, Table


def thresholds_table(final: Sequence[CompositeSummary], interval: str) -> Table | None:
    """One row per final score with a threshold; None without any. ``interval`` names the interval."""
    found = [(score, score.metric.threshold) for score in final if score.metric.threshold]
    if not found:
        return None
    notes = dict.fromkeys(_rule_note(threshold) for _, threshold in found)
    return Table(
        id="thresholds",
        title="Accepted or not",
        columns=(
            Column("metric", "Score", "label"),
            Column("value", "Value"),
            Column("interval", interval, "interval", of="value"),
            Column("least", "At least"),
            Column("rule", "By its own rule"),
            Column("by_interval", "By the interval"),
        ),
        rows=tuple(_row(score, threshold) for score, threshold in found),
        notes=(*notes, "By the interval: inconclusive if the threshold lies inside it."),
    )


def _row(score: CompositeSummary, threshold: Threshold) -> Row:
    digits = score.metric.digits
    missing = "" if score.value is not None else f"not computed: no value of {', '.join(score.needs)}"
    cells = {
        "value": Cell(score.value, ci=score.interval, digits=digits, note=missing),
        "least": Cell(threshold.least, published=True, source=threshold.source, digits=digits + 2),
        "rule": Cell(by_rule(score.value, threshold), note=missing),
        "by_interval": Cell(by_interval(score, threshold), note=missing),
    }
    return Row({"metric": Cell(score.metric.name), **cells})


def by_rule(value: float | None, threshold: Threshold) -> str | None:
    """The benchmark's verdict, which looks at the value only; None without a value."""
    return None if value is None else "pass" if value >= threshold.least else "fail"


def by_interval(score: CompositeSummary, threshold: Threshold) -> str | None:
    """``pass`` or ``fail`` if the whole interval is on one side of the threshold, else ``inconclusive``."""
    if score.value is None:
        return None
    if score.interval is None:
        return "inconclusive"
    low, high = score.interval
    return "pass" if low >= threshold.least else "fail" if high < threshold.least else "inconclusive"


def _rule_note(threshold: Threshold) -> str:
    share = 100 * threshold.least / threshold.reference
    return f"{threshold.rule} accepts a value of at least {share:.4g} % of {threshold.reference:g}."
