"""Output magnitudes along generated videos (App. B): one value per autoregressive step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.store import Artifact
from nova_bench.study.pooling import Pooled, pooled
from nova_bench.study.results import Setting, StudyResults
from nova_bench.study.spec import BlockOutputsSpec

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec

DETAIL = "block_outputs"


def block_outputs_part(results: StudyResults, asked: BlockOutputsSpec) -> tuple[list[Table], list[FigureSpec]]:
    """A curve and a table row per setting: log2 of the largest output of any encoder block at each generated frame."""
    import numpy as np

    from nova_bench.render.figure_spec import Curve, CurveWithBand

    del asked
    bands = {setting.label: _band(results, setting) for setting in results.settings}
    known = {label: band for label, band in bands.items() if band is not None}
    if not known:
        return [], []
    curves = tuple(
        Curve(
            label, tuple(range(1, len(band.value))), *(_points(part[:-1]) for part in (band.value, band.low, band.high))
        )
        for label, band in known.items()
    )
    caption = (
        "Mean over videos of log2 of the largest magnitude that any block of both encoders gives out while a latent "
        "frame is made. No score: it says nothing of how good the videos are."
    )
    figure = CurveWithBand(
        id="generation_largest_output",
        title="Largest block output per autoregressive step",
        caption=caption,
        width="page",
        x_label="autoregressive step (generated latent frame)",
        y_label="log2 of the largest magnitude",
        curves=curves,
    )
    last = max(len(band.value) - 1 for band in known.values())
    percent = f"{results.record.statistics.confidence * 100:g} % CI"
    rows = []
    for setting in results.settings:
        band = bands[setting.label]
        note = "" if band is not None else _why_missing(setting)
        values = [None] * 3 if band is None else [float(np.exp2(band.value[i])) for i in (0, len(band.value) - 2)]
        growth = Cell(None, note=note)
        if band is not None:
            low, high = (float(np.exp2(part[-1])) for part in (band.low, band.high))
            growth = Cell(float(np.exp2(band.value[-1])), ci=(low, high))
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
    return [table], [figure]


def _band(results: StudyResults, setting: Setting) -> Pooled | None:
    """Value and interval of each step, and last of what the last step has over the first, all in log2."""
    import numpy as np

    found = [
        (index, results.prompts[unit.prompt_id], largest)
        for index, arm in enumerate(setting.measured)
        for unit in arm.plan.units
        if (largest := _largest(arm.artifacts.get(unit.digest))) is not None
    ]
    if not found:
        return None
    steps = min(len(largest) for *_, largest in found)
    sums = np.zeros((len(setting.measured), len(results.prompts), steps + 1))
    weights = np.zeros_like(sums)
    for seed, prompt, largest in found:
        sums[seed, prompt] += [*largest[:steps], largest[steps - 1] - largest[0]]
        weights[seed, prompt] += 1
    return pooled(sums, weights, results.record.statistics)


def _largest(artifact: object) -> list[float] | None:
    """log2 of the largest magnitude over all blocks, frame by frame."""
    from math import log2

    if not isinstance(artifact, Artifact) or DETAIL not in artifact.details:
        return None
    return [log2(max(frame)) for frame in zip(*(b["max"] for b in artifact.details[DETAIL].values()), strict=True)]


def _points(part) -> tuple[float | None, ...]:
    return tuple(None if x != x else float(x) for x in part)


def _why_missing(setting: Setting) -> str:
    problem = next((arm.record.problem for arm in setting.arms if arm.record.problem), "")
    return f"not computed: {problem}" if problem else "not recorded: needs `model.block_outputs: true`"
