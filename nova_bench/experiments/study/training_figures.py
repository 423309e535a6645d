"""Curves of trainings: means over seeds with Student's interval as a band."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nova_bench.core.statistics import student_interval
from nova_bench.experiments.study.training_measures import (
    TEMPORAL,
    accumulated,
    blocks_by_depth,
    encoder_blocks,
    final,
    largest_outputs,
    trained_frames,
)
from nova_bench.render.figure_spec import Curve, CurveWithBand, FigureSpec, Line
from nova_bench.train.record import TrainingRecord

if TYPE_CHECKING:
    from nova_bench.experiments.study.trainings import Trainings

Series = tuple[Sequence[float], np.ndarray]
"""x, and y of one training."""


def training_figures(trainings: Sequence[Trainings], points: int, confidence: float) -> list[FigureSpec]:
    """Losses, their difference, gradient norms, largest outputs over training, and outputs over depth."""

    def binned(values: Callable[[TrainingRecord], np.ndarray | None], middle: Callable = np.mean) -> Callable:
        return lambda record: None if (found := values(record)) is None else in_bins(found, points, middle)

    first, later = (binned(partial(_loss, name=name)) for name in ("loss_t2i", "loss_i2i"))
    asked = [
        ("loss_t2i", "Does an arrangement learn first frames faster?", "loss", first),
        ("loss_i2i", "Does an arrangement learn later frames faster?", "loss", later),
        ("drift", "Do later frames stay behind first ones?", "difference of losses", binned(_drift)),
        ("grad_norm", "Does training stay stable?", "log2 of the norm", binned(_norms, np.median)),
        ("largest_output", "How large do block outputs grow?", "log2 of the largest magnitude", _largest),
    ]
    figures: list[FigureSpec] = []
    for name, title, y_label, series in asked:
        curves = _curves(trainings, series, confidence)
        if curves:
            figures.append(
                CurveWithBand(
                    id=f"training_{name}",
                    title=title,
                    caption=_caption(confidence),
                    width="page",
                    x_label="step",
                    y_label=y_label,
                    curves=curves,
                    apart=True,
                )
            )
    more = (_by_frame(trainings, confidence), _depth(trainings, confidence))
    return [*figures, *(figure for figure in more if figure is not None)]


def in_bins(values: np.ndarray, points: int, middle: Callable = np.mean) -> Series:
    """Split values of steps 1, 2, ... into ``points`` nearly equal ranges: their last steps and means."""
    edges = np.linspace(0, len(values), min(points, len(values)) + 1).round().astype(int)
    parts = [values[start:stop] for start, stop in pairwise(edges)]
    return edges[1:].tolist(), np.array([middle(part) for part in parts])


def _loss(record: TrainingRecord, name: str) -> np.ndarray | None:
    return np.array(record.losses[name]) if name in record.losses else None


def _drift(record: TrainingRecord) -> np.ndarray | None:
    first, later = (_loss(record, name) for name in ("loss_t2i", "loss_i2i"))
    return None if first is None or later is None else later - first


def _norms(record: TrainingRecord) -> np.ndarray:
    return np.log2(record.grad_norm)


def _largest(record: TrainingRecord) -> Series | None:
    return (record.recorded_steps, np.log2(largest_outputs(record))) if record.blocks else None


def _curves(
    trainings: Sequence[Trainings], series: Callable[[TrainingRecord], Series | None], confidence: float
) -> tuple[Curve, ...]:
    curves = []
    for each in trainings:
        found = [one for record in each.records.values() if (one := series(record)) is not None]
        if found:
            # Trainings of different lengths are compared up to the shortest.
            length = min(len(x) for x, _ in found)
            curves.append(
                _curve(each.label, found[0][0][:length], np.array([y[:length] for _, y in found]), confidence)
            )
    return tuple(curves)


def _curve(label: str, x: Sequence[float], values: np.ndarray, confidence: float) -> Curve:
    mean, low, high = (part.tolist() for part in student_interval(values, confidence))
    band = (None, None) if len(values) < 2 else (tuple(low), tuple(high))
    return Curve(label, tuple(x), tuple(mean), *band)


def _by_frame(trainings: Sequence[Trainings], confidence: float) -> CurveWithBand | None:
    """What App. A claims to control: error that accumulates from latent frame to latent frame."""

    def series(record: TrainingRecord) -> Series | None:
        found = accumulated(record)
        return None if found is None else (range(1, len(found) + 1), found)

    curves = _curves(trainings, series, confidence)
    if not curves:
        return None
    return CurveWithBand(
        id="training_accumulated",
        title="Does error accumulate from frame to frame?",
        caption=(
            "Held-out loss on the model's own earlier frames minus that on the true ones; the first frame has none. "
            f"{_caption(confidence)}"
        ),
        width="page",
        x_label="latent frame",
        y_label="difference of losses",
        curves=curves,
        marks=_training_length(trainings),
        apart=True,
    )


def _training_length(trainings: Sequence[Trainings]) -> tuple[Line, ...]:
    """A mark after the last trained frame, if clips are longer."""
    records = [record for each in trainings for record in each.records.values()]
    longer = {
        trained_frames(r) for r in records if (found := accumulated(r)) is not None and len(found) > trained_frames(r)
    }
    return tuple(Line("training length", frames + 0.5) for frames in sorted(longer))


def _depth(trainings: Sequence[Trainings], confidence: float) -> CurveWithBand | None:
    """The paper's figure of App. B: output magnitudes, block by block, through both encoders."""

    def series(record: TrainingRecord) -> Series | None:
        names = blocks_by_depth(record.blocks)
        outputs = [final(tuple(np.log2(record.blocks[name].max))) for name in names]
        return (range(1, len(names) + 1), np.array(outputs)) if names else None

    curves = _curves(trainings, series, confidence)
    if not curves:
        return None
    borders = {len(encoder_blocks(record.blocks, TEMPORAL)) for each in trainings for record in each.records.values()}
    marks = tuple(Line("spatial encoder", border + 0.5) for border in sorted(borders))
    return CurveWithBand(
        id="training_depth",
        title="Which block gives out the largest values?",
        caption=(
            "Temporal blocks, then spatial ones. Mean of log2 over the last tenth of the recorded steps. "
            f"{_caption(confidence)}"
        ),
        width="page",
        x_label="block",
        y_label="log2 of the largest magnitude",
        curves=curves,
        marks=marks,
        apart=True,
    )


def _caption(confidence: float) -> str:
    return (
        f"Mean over trainings; bands: Student's {confidence * 100:g} % interval of the mean over trainings, none for a "
        "single one. With several arrangements, each is beside the first one, in grey."
    )
