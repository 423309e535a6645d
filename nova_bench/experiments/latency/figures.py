"""Measurements -> figures: what a video's time is made of, and the scaling curves."""

from __future__ import annotations

from nova_bench.experiments.latency.naming import AXES, PART_TITLES, axis_value
from nova_bench.experiments.latency.plan import LatencyPlan
from nova_bench.experiments.latency.spec import Change, CurveSpec
from nova_bench.experiments.latency.store import Measured
from nova_bench.experiments.latency.summary import ALL_PARTS, Spread
from nova_bench.render.figure_spec import BarStack, Curve, CurveWithBand, FigureSpec, Part

Y_LABEL = "seconds per video"


def latency_figures(plan: LatencyPlan, measured: dict[str, Measured]) -> list[FigureSpec]:
    """One stacked bar per row, and one figure per curve; unmeasured points are gaps."""
    rows = [(row.label, measured[digest]) for row in plan.suite.rows if (digest := plan.row(row).digest) in measured]
    rows = [(label, found) for label, found in rows if found.ok]
    figures: list[FigureSpec] = []
    if rows:
        # "other" is a difference of two clocks: noise may make it negative.
        parts = tuple(
            Part(PART_TITLES[part], tuple(max(0.0, found.times.part(part).value) for _, found in rows))
            for part in ALL_PARTS
        )
        figures.append(
            BarStack(
                id="parts",
                title="What is a video's time made of?",
                caption="The call with the median total.",
                bars=tuple(label for label, _ in rows),
                parts=parts,
                x_label=Y_LABEL,
                unit="s",
                width="page",
            )
        )
    return [*figures, *(_curve_figure(plan, curve, measured) for curve in plan.suite.curves)]


def _curve_figure(plan: LatencyPlan, curve: CurveSpec, measured: dict[str, Measured]) -> FigureSpec:
    curves = tuple(_curve(plan, curve, line, part, measured) for line in curve.lines for part in curve.parts)
    return CurveWithBand(
        id=f"scaling_{curve.id}",
        title=f"How does time grow with {AXES[curve.vary].split(' (')[0]}?{_of_part(curve)}",
        caption="Medians; bands from the lowest to the highest call.",
        x_label=AXES[curve.vary],
        y_label=Y_LABEL,
        curves=curves,
    )


def _of_part(curve: CurveSpec) -> str:
    """Which part of the time is shown, if it is only one and not the total."""
    return "" if len(curve.parts) > 1 or curve.parts[0] == "total" else f" {PART_TITLES[curve.parts[0]]} alone"


def _curve(plan: LatencyPlan, curve: CurveSpec, line: Change, part: str, measured: dict[str, Measured]) -> Curve:
    x, spreads = [], []
    for value, point in zip(curve.values, plan.curve(curve, line), strict=True):
        found = measured.get(point.digest)
        x.append(axis_value(curve.vary, value))
        spreads.append(_spread(found, part) if found is not None and found.ok else None)
    title = PART_TITLES[part]
    name = title if title[:2].isupper() else title.lower()
    label = name if len(curve.lines) == 1 else line.label if len(curve.parts) == 1 else f"{line.label}: {name}"
    edges = [s.interval or (s.value, s.value) if s else (None, None) for s in spreads]
    return Curve(
        label,
        tuple(x),
        tuple(s.value if s else None for s in spreads),
        tuple(low for low, _ in edges),
        tuple(high for _, high in edges),
    )


def _spread(found: Measured, part: str) -> Spread:
    return found.times.total_spread if part == "total" else found.times.part_alone(part)
