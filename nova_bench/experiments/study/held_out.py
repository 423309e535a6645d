"""Losses on unseen clips (App. A): over frames and mask ratios, given the true earlier frames or the model's own.

Intervals are those of :mod:`nova_bench.experiments.study.pooling`: clips take the place of prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nova_bench.experiments.study.pooling import difference, pooled
from nova_bench.experiments.study.results import StudyResults
from nova_bench.experiments.study.training_measures import trained_frames
from nova_bench.experiments.study.trainings import Trainings
from nova_bench.render.table import Cell, Column, Row, Table

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.train.record import HeldOutRecord

CONTEXTS = {
    "true_context": ("held_out", "Held-out loss, given the true earlier frames"),
    "own_context": ("held_out_own", "Held-out loss, given the model's own earlier frames"),
}
SHOWN_FRAMES = 6
DIGITS = 4


def held_out_tables(results: StudyResults, trainings: Sequence[Trainings]) -> list[Table]:
    """A table for each context, with a row per setting; none without records of such losses."""
    tables = []
    for context, (name, title) in CONTEXTS.items():
        losses = {each.label: _losses(each, context) for each in trainings}
        known = {label: found for label, found in losses.items() if found is not None}
        if known:
            tables.append(_table(results, trainings, known, name, title))
    return tables


def _losses(each: Trainings, context: str) -> np.ndarray | None:
    """[seeds, clips, ratios, frames]; None unless every training has them."""
    import numpy as np

    found = [np.array(getattr(record.held_out, context)) for record in each.records.values() if record.held_out]
    complete = found and len(found) == len(each.records) and len({part.shape for part in found}) == 1
    return np.stack(found) if complete and found[0].size else None


def _about(trainings: Sequence[Trainings]) -> tuple[HeldOutRecord, int]:
    """What was measured, and the latent frames that were trained, of the first training that has it."""
    return next((r.held_out, trained_frames(r)) for each in trainings for r in each.records.values() if r.held_out)


def _table(
    results: StudyResults, trainings: Sequence[Trainings], losses: dict[str, np.ndarray], name: str, title: str
) -> Table:
    import numpy as np

    statistics = results.record.statistics
    measured, trained = _about(trainings)
    length = min(found.shape[-1] for found in losses.values())
    frames = sorted(set(np.linspace(1, length, min(SHOWN_FRAMES, length)).round().astype(int).tolist()))
    percent = f"{statistics.confidence * 100:g} % CI"
    columns = [
        Column("setting", "Setting", "label"),
        Column("all", "All", digits=DIGITS, higher_is_better=False),
        Column("interval", percent, "interval", of="all"),
        Column("difference", f"Minus {results.record.reference}", digits=DIGITS),
        Column("difference_interval", percent, "interval", of="difference"),
        *(Column(f"m{i}", f"Mask {ratio:g}", digits=DIGITS) for i, ratio in enumerate(measured.mask_ratios)),
        *(Column(f"f{frame}", f"Frame {frame}", digits=DIGITS) for frame in frames),
    ]
    reference = losses.get(results.record.reference)
    rows = []
    for each in trainings:
        found = losses.get(each.label)
        if found is None:
            missing = Cell(None, note="not measured in these trainings")
            rows.append(Row({"setting": Cell(each.label), "all": missing, "difference": missing}))
            continue
        by_clip = found.mean((2, 3))[..., None]
        weights = np.ones_like(by_clip)
        whole = pooled(by_clip, weights, statistics)
        cells = {"setting": Cell(each.label), "all": Cell(float(whole.value[0]), **whole.cell(0))}
        if each.label == results.record.reference:
            cells["difference"] = Cell("reference")
        elif reference is not None and reference.shape[1:] == found.shape[1:]:
            other = reference.mean((2, 3))[..., None]
            apart, _ = difference(by_clip, weights, other, np.ones_like(other), statistics)
            cells["difference"] = Cell(float(apart.value[0]), **apart.cell(0))
        else:
            cells["difference"] = Cell(None, note="not measured on the same clips as the reference")
        for i in range(len(measured.mask_ratios)):
            cells[f"m{i}"] = Cell(float(found[:, :, i].mean()))
        for frame in frames:
            cells[f"f{frame}"] = Cell(float(found[..., frame - 1].mean()))
        rows.append(Row(cells))
    longer = (
        f" Frames after the first {trained} are beyond the training length; their positions follow the rule "
        f"{measured.extrapolation!r}."
        if length > trained
        else ""
    )
    caption = (
        f"Diffusion loss on {measured.clips} unseen moving clips, by share of masked tokens and by latent frame; the "
        f"same clips, masks, noise and timesteps for all.{longer} Intervals cover clips and trainings, as in a table "
        "of metrics; differences are over the same clips."
    )
    return Table(id=name, title=title, columns=tuple(columns), rows=tuple(rows), caption=caption)
