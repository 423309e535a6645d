"""At which learning rates an arrangement's training diverges (App. B): a table and curves."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING

from nova_bench.experiments.study.results import Setting, StudyResults
from nova_bench.experiments.study.spec import StabilitySpec
from nova_bench.experiments.study.training_measures import final
from nova_bench.render.figure_spec import Curve, CurveWithBand
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.train.record import TrainingRecord

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec

BEGIN = 10
"""Steps whose mean loss is the loss at the start."""
CAPTION = (
    "Loss at the end (mean over the last tenth of the steps, first frames plus later ones) of trainings that differ in "
    "their learning rate alone, without clipped gradients; one training each. Diverged: loss or gradient was not "
    f"finite, or the loss ends above its start, the mean of the first {BEGIN} steps."
)


@dataclass(frozen=True)
class Ending:
    """How a training ended."""

    loss: float | None
    """At its end; None if it wasn't finite."""
    diverged: str
    """How it diverged; empty if it did not."""


def ending(record: TrainingRecord) -> Ending:
    """Judge a training by its losses."""
    if record.diverged is not None:
        return Ending(None, f"diverged at step {record.diverged.step}: the {record.diverged.what}")
    total = tuple(sum(step) for step in zip(*record.losses.values(), strict=True))
    begin, end = sum(total[:BEGIN]) / len(total[:BEGIN]), final(total)
    return Ending(end, f"diverged: above its start, {begin:.4g}" if end > begin else "")


def stability_part(results: StudyResults, asked: StabilitySpec) -> tuple[list[Table], list[FigureSpec]]:
    """The table and the curves; empty if no setting has such trainings."""
    found = {
        setting.label: {
            record.learning_rate: ending(record)
            for arm in setting.arms
            for record in arm.record.stability
            if record.learning_rate is not None
        }
        for setting in results.settings
    }
    if not any(found.values()):
        return [], []
    columns = (
        Column("setting", "Setting", "label"),
        *(Column(f"r{place}", f"Rate {rate:g}", digits=3) for place, rate in enumerate(asked.rates)),
        Column("from", "Diverges from rate", "label"),
    )
    rows = tuple(_row(setting, found[setting.label], asked.rates) for setting in results.settings)
    table = Table(id="stability", title="Learning rates that diverge", columns=columns, rows=rows, caption=CAPTION)
    return [table], [_figure(found, asked.rates)]


def _row(setting: Setting, endings: dict[float, Ending], rates: tuple[float, ...]) -> Row:
    problem = next((arm.record.stability_problem for arm in setting.arms if arm.record.stability_problem), "")
    missing = f"not computed: {problem}" if problem else "not stated: the study names no such trainings"
    cells = {"setting": Cell(setting.label)}
    for place, rate in enumerate(rates):
        known = endings.get(rate)
        cells[f"r{place}"] = Cell(None, note=missing) if known is None else Cell(known.loss, note=known.diverged)
    lowest = next((rate for rate in rates if rate in endings and endings[rate].diverged), None)
    cells["from"] = Cell(_bound(lowest, rates, endings))
    return Row(cells)


def _bound(lowest: float | None, rates: tuple[float, ...], endings: dict[float, Ending]) -> str:
    if lowest is not None:
        return f"{lowest:g}"
    return f"none of these, up to {max(rates):g}" if len(endings) == len(rates) else ""


def _figure(found: dict[str, dict[float, Ending]], rates: tuple[float, ...]) -> CurveWithBand:
    curves = tuple(
        Curve(
            label,
            tuple(log10(rate) for rate in rates),
            tuple(endings[rate].loss if rate in endings else None for rate in rates),
        )
        for label, endings in found.items()
        if endings
    )
    return CurveWithBand(
        id="stability",
        title="Up to which learning rate does training succeed?",
        caption=f"{CAPTION} A curve ends where the loss was no longer finite.",
        width="page",
        x_label="log10 of the learning rate",
        y_label="loss at the end",
        curves=curves,
    )
