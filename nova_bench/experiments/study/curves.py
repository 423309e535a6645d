"""Scores along the video (App. C, Figure 4): one value per autoregressive step, with an interval band."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nova_bench.experiments.study.pooling import Pooled, difference, pooled
from nova_bench.experiments.study.results import Setting, StudyResults
from nova_bench.experiments.study.spec import CurvesSpec
from nova_bench.pipeline.aggregate import MetricSummary, SampleScore
from nova_bench.render.figure_spec import Curve, CurveWithBand, Line
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.naming import needed_assets, why_missing
from nova_bench.scorers.base import ScorerInfo
from nova_bench.store import Status

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.render.figure_spec import FigureSpec

SERIES = "per_frame"
"""Key of the details with a number for each frame of a video."""
TABLE_STEPS = 8


def curves_part(results: StudyResults, asked: CurvesSpec) -> tuple[list[Table], list[FigureSpec]]:
    """A figure and a table for each metric that has a number per frame."""
    width = frames_per_step(results, asked)
    missing = "".join(f" No curve of {name}: {reason}." for name, reason in _missing(results, asked).items())
    tables: list[Table] = []
    figures: list[FigureSpec] = []
    for name, info in results.metrics.items():
        if asked.metrics and name not in asked.metrics:
            continue
        bands = {setting.label: _band(results, setting, name, width, asked.steps) for setting in results.settings}
        known = {label: band for label, band in bands.items() if band is not None}
        if not known:
            continue
        curves = tuple(_curve(label, band) for label, band in known.items())
        last = max(len(band.value) - 1 for band in known.values())
        figures.append(
            CurveWithBand(
                id=f"steps_{name.replace('/', '_')}",
                title=f"{name} per autoregressive step",
                caption=f"{_caption(results, width)}{missing}",
                width="page",
                x_label="autoregressive step",
                y_label=f"{name} ({info.unit})" if info.unit else name,
                curves=curves,
                marks=_marks(results, asked, last),
            )
        )
        tables.append(_table(results, name, info, bands, width))
    if asked.baseline:
        tables += ahead_tables(results, asked, width)
    return tables, figures


def _missing(results: StudyResults, asked: CurvesSpec) -> dict[str, str]:
    """Metrics that would have a curve if their weights were here -> what they need."""
    missing = {}
    for name in asked.metrics or results.metrics:
        summaries = [summary for arm in results.arms if (summary := arm.summary(name)) is not None]
        if summaries and all(summary.value is None and needed_assets(summary) for summary in summaries):
            missing[name] = why_missing(summaries[0])
    return missing


def frames_per_step(results: StudyResults, asked: CurvesSpec) -> int:
    """Frames that one autoregressive step adds: stated by the study, else by the checkpoints' autoencoder, else 1."""
    if asked.frames_per_step is not None:
        return asked.frames_per_step
    return max((arm.record.frames_per_latent or 1 for arm in results.arms), default=1)


def steps_of(frames: Sequence[float], width: int) -> list[float]:
    """Means over the frames of each whole step. Frame 0 is given, so it belongs to none."""
    made = frames[1:]
    return [sum(made[start : start + width]) / width for start in range(0, len(made) - width + 1, width)]


def _band(results: StudyResults, setting: Setting, metric: str, width: int, limit: int | None) -> Pooled | None:
    """Value and interval of each step, and finally of the mean over all steps; None if no sample has a series."""
    arrays = step_arrays(results, setting, metric, width, limit)
    if arrays is None:
        return None
    found = pooled(*arrays, results.record.statistics)
    return found.within([results.metrics[metric].range] * arrays[0].shape[-1])


def step_arrays(
    results: StudyResults, setting: Setting, metric: str, width: int, limit: int | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Sums and weights [seeds, prompts, steps + 1], the last for the mean over all steps; None without any series."""

    def series(summary: MetricSummary) -> Iterable[tuple[SampleScore, list[float]]]:
        if summary.scorer.info.name == metric:
            for score in summary.samples:
                details = score.scored.details if score.status == Status.OK else {}
                # If frames of the video were skipped, the series doesn't say which frames its numbers belong to.
                if isinstance(frames := details.get(SERIES), list) and not details.get("frames_left_out"):
                    yield score, steps_of(frames, width)[:limit]

    summaries = [summary for arm in setting.measured for summary in arm.summaries]
    length = max((len(steps) for summary in summaries for _, steps in series(summary)), default=0)
    if not length:
        return None

    def points(summary: MetricSummary) -> Iterable[tuple[int, SampleScore, float]]:
        for score, steps in series(summary):
            yield from ((step, score, value) for step, value in enumerate(steps))
            if len(steps) == length:
                yield length, score, sum(steps) / length

    return results.arrays(setting, length + 1, points)


def _marks(results: StudyResults, asked: CurvesSpec, last: int) -> tuple[Line, ...]:
    """Lines where videos reach multiples of the training length, as far as there are steps.

    Step s makes latent frame s (0 is the given one), after which the video is s + 1 latent frames long.
    """
    trained = sorted({length for arm in results.arms if (length := arm.record.trained_latents) is not None})
    marks = (Line(f"{times:g}x the training length", times * length - 1) for length in trained for times in asked.marks)
    return tuple(mark for mark in marks if mark.at <= last)


def _curve(label: str, band: Pooled) -> Curve:
    parts = (tuple(None if x != x else float(x) for x in part[:-1]) for part in (band.value, band.low, band.high))
    return Curve(label, tuple(range(1, len(band.value))), *parts)


def _table(results: StudyResults, name: str, info: ScorerInfo, bands: dict[str, Pooled | None], width: int) -> Table:
    length = max(len(band.value) - 1 for band in bands.values() if band is not None)
    count = min(TABLE_STEPS, length)
    steps = sorted({round(1 + index * (length - 1) / max(1, count - 1)) for index in range(count)})
    better = info.higher_is_better
    percent = f"{results.record.statistics.confidence * 100:g} % CI"
    columns = [
        Column("setting", "Setting", "label"),
        Column("all", f"Steps 1-{length}", unit=info.unit, digits=info.digits, higher_is_better=better),
        Column("interval", percent, "interval", of="all"),
        *(Column(f"s{step}", f"Step {step}", digits=info.digits) for step in steps),
    ]
    rows = []
    for setting in results.settings:
        band = bands[setting.label]
        cells = {"all": _cell(setting, band, length, with_interval=True)}
        cells |= {f"s{step}": _cell(setting, band, step - 1) for step in steps}
        rows.append(Row({"setting": Cell(setting.label), **cells}))
    return Table(
        id=f"steps_{name.replace('/', '_')}",
        title=f"{name} at chosen autoregressive steps",
        columns=tuple(columns),
        rows=tuple(rows),
        caption=_caption(results, width),
    )


def _cell(setting: Setting, band: Pooled | None, place: int, with_interval: bool = False) -> Cell:
    if band is None:
        problem = next((arm.record.problem for arm in setting.arms if arm.record.problem), "no number per frame")
        return Cell(None, note=f"not computed: {problem}")
    if place >= len(band.value):
        return Cell(None, note="not computed: these videos are shorter")
    return Cell(float(band.value[place]), **(band.cell(place) if with_interval else {}))


def _caption(results: StudyResults, width: int) -> str:
    frames = "one frame" if width == 1 else f"{width} frames"
    percent = f"{results.record.statistics.confidence * 100:g} %"
    return (
        f"Mean over videos of the mean over a step's {frames}; the given first frame belongs to no step. "
        f"Intervals: {percent}, as in the table of metrics."
    )


def ahead_tables(results: StudyResults, asked: CurvesSpec, width: int) -> list[Table]:
    """Until which step each setting is better than the baseline, on the same clips; no table without the baseline."""
    baseline = next((setting for setting in results.settings if setting.label == asked.baseline), None)
    if baseline is None or not baseline.measured:
        return []
    percent = f"{results.record.statistics.confidence * 100:g} % CI"
    rows = []
    for name, info in results.metrics.items():
        theirs = step_arrays(results, baseline, name, width, asked.steps)
        if theirs is None or (asked.metrics and name not in asked.metrics):
            continue
        for setting in results.settings:
            mine = step_arrays(results, setting, name, width, asked.steps)
            if setting is not baseline and mine is not None:
                length = min(mine[0].shape[-1], theirs[0].shape[-1]) - 1
                here, there = ([part[..., :length] for part in side] for side in (mine, theirs))
                found, _ = difference(here[0], here[1], there[0], there[1], results.record.statistics)
                rows.append(_ahead(name, info, setting, found, length))
    if not rows:
        return []
    columns = (
        Column("metric", "Metric", "label"),
        Column("setting", "Setting", "label"),
        Column("ahead", "Last step ahead", digits=0),
        Column("of", "Of steps", digits=0),
        Column("difference", f"Minus {asked.baseline}"),
        Column("interval", percent, "interval", of="difference"),
        Column("unit", "Unit", "unit", of="difference"),
    )
    caption = (
        f"The last autoregressive step until which a setting is better than {asked.baseline!r} at every step: the "
        f"{percent.removesuffix(' CI')} interval of the paired difference over the same clips excludes 0. "
        "0: not even at the first. Differences are those of the last step."
    )
    return [Table("steps_ahead", f"How long is it better than: {asked.baseline}?", columns, tuple(rows), caption)]


def _ahead(name: str, info: ScorerInfo, setting: Setting, found: Pooled, length: int) -> Row:
    better = found.low > 0 if info.higher_is_better else found.high < 0
    last = length if better.all() else int(better.argmin())
    value = float(found.value[length - 1])
    cells = {
        "metric": Cell(name),
        "setting": Cell(setting.label),
        "ahead": Cell(last),
        "of": Cell(length),
        "difference": Cell(value, **found.cell(length - 1), digits=info.digits, unit=info.unit),
    }
    return Row(cells)
