"""Output magnitudes along generated videos (App. B): one value per autoregressive step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nova_bench.experiments.study.pooling import Pooled, pooled
from nova_bench.experiments.study.results import Setting, StudyResults
from nova_bench.experiments.study.spec import BlockOutputsSpec
from nova_bench.experiments.study.training_measures import TEMPORAL, blocks_by_depth, encoder_blocks
from nova_bench.render.figure_spec import Curve, CurveWithBand, Line
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.store import Artifact

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec

DETAIL = "block_outputs"
Outputs = Mapping[str, Mapping[str, Any]]
"""Block name -> ``max`` and ``rms``, a number per generated frame."""
Series = Callable[[Outputs], list[float]]


def block_outputs_part(results: StudyResults, asked: BlockOutputsSpec) -> tuple[list[Table], list[FigureSpec]]:
    """A curve and a table row per setting: log2 of the largest output of any encoder block, per generated frame."""
    import numpy as np

    del asked
    bands = {setting.label: _band(results, setting, _by_step, growth=True) for setting in results.settings}
    known = {label: band for label, band in bands.items() if band is not None}
    if not known:
        return [], []
    curves = tuple(_curve(label, band, len(band.value) - 1) for label, band in known.items())
    caption = (
        "Mean over videos of log2 of the largest magnitude that any block of both encoders gives out while a latent "
        "frame is made. No score: it says nothing of how good the videos are."
    )
    figure = CurveWithBand(
        id="generation_largest_output",
        title="Largest block output per autoregressive step",
        caption=caption,
        width="page",
        x_label="autoregressive step",
        y_label="log2 of the largest magnitude",
        curves=curves,
        apart=True,
    )
    last = max(len(band.value) - 1 for band in known.values())
    percent = f"{results.record.statistics.confidence * 100:g} % CI"
    rows = []
    for setting in results.settings:
        band = bands[setting.label]
        if band is None and not _could_record(setting):
            continue
        note = "" if band is not None else _why_missing(setting)
        values = [None] * 3 if band is None else [float(np.exp2(band.value[i])) for i in (0, len(band.value) - 2)]
        growth = Cell(None, note=note)
        if band is not None:
            interval = band.cell(len(band.value) - 1)
            if "ci" in interval:
                interval["ci"] = tuple(float(np.exp2(end)) for end in interval["ci"])
            growth = Cell(float(np.exp2(band.value[-1])), **interval)
        rows.append(
            Row(
                {
                    "setting": Cell(setting.label),
                    "first": Cell(values[0], note=note),
                    "last": Cell(values[1], note=note),
                    "growth": growth,
                }
            )
        )
    table = Table(
        id="generation_block_outputs",
        title="Largest block output while generating",
        columns=(
            Column("setting", "Setting", "label"),
            Column("first", "Step 1", digits=2),
            Column("last", f"Step {last}", digits=2),
            Column("growth", "Growth", digits=3, unit="x"),
            Column("interval", percent, "interval", of="growth"),
        ),
        rows=tuple(rows),
        caption=caption.replace("Mean over videos of log2 of", "Geometric mean over videos of"),
    )
    return [table], [_depth_figure(results), figure]


def _depth_figure(results: StudyResults) -> FigureSpec:
    """A curve per setting over the blocks of both encoders."""
    bands = {setting.label: _band(results, setting, _by_block) for setting in results.settings}
    borders = {
        len(encoder_blocks(found.details[DETAIL], TEMPORAL))
        for arm in results.arms
        for found in (arm.artifacts or {}).values()
        if isinstance(found, Artifact) and DETAIL in found.details
    }
    return CurveWithBand(
        id="generation_depth",
        title="Largest output of each block while generating",
        caption=(
            "Mean over videos of log2 of the largest magnitude that a block gives out in any latent frame; temporal "
            "blocks, then spatial ones."
        ),
        width="page",
        x_label="block",
        y_label="log2 of the largest magnitude",
        curves=tuple(_curve(label, band, len(band.value)) for label, band in bands.items() if band is not None),
        marks=tuple(Line("spatial encoder", border + 0.5) for border in sorted(borders)),
    )


def _band(results: StudyResults, setting: Setting, series: Series, growth: bool = False) -> Pooled | None:
    """Value and interval at each position of the videos' series, up to the shortest.

    With ``growth``, a final one of the last position minus the first.
    """
    import numpy as np

    found = [
        (index, results.prompts[unit.prompt_id], series(made.details[DETAIL]))
        for index, arm in enumerate(setting.measured)
        for unit in arm.measured_plan.units
        if isinstance(made := arm.artifacts.get(unit.digest), Artifact) and DETAIL in made.details
    ]
    if not found:
        return None
    length = min(len(values) for *_, values in found)
    sums = np.zeros((len(setting.measured), len(results.prompts), length + growth))
    weights = np.zeros_like(sums)
    for seed, prompt, values in found:
        sums[seed, prompt] += [*values[:length], *([values[length - 1] - values[0]] if growth else [])]
        weights[seed, prompt] += 1
    return pooled(sums, weights, results.record.statistics)


def _by_step(blocks: Outputs) -> list[float]:
    """log2 of the largest magnitude over all blocks, frame by frame."""
    from math import log2

    return [log2(max(frame)) for frame in zip(*(block["max"] for block in blocks.values()), strict=True)]


def _by_block(blocks: Outputs) -> list[float]:
    """log2 of the largest magnitude over all frames, block by block."""
    from math import log2

    return [log2(max(blocks[name]["max"])) for name in blocks_by_depth(blocks)]


def _curve(label: str, band: Pooled, length: int) -> Curve:
    parts = (_points(part[:length]) for part in (band.value, band.low, band.high))
    return Curve(label, tuple(range(1, length + 1)), *parts)


def _points(part: Iterable[float]) -> tuple[float | None, ...]:
    return tuple(None if x != x else float(x) for x in part)


def _could_record(setting: Setting) -> bool:
    """Whether block outputs can be recorded: a baseline such as the repeated first frame has no blocks."""
    return not setting.measured or any(arm.measured_plan.suite.model.adapter == "nova" for arm in setting.measured)


def _why_missing(setting: Setting) -> str:
    problem = next((arm.record.problem for arm in setting.arms if arm.record.problem), "")
    return f"not computed: {problem}" if problem else "not recorded: needs `model.block_outputs: true`"
