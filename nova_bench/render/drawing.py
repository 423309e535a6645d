"""Draws each kind of figure. Called inside the house style; knows axes and marks, no files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import singledispatch
from textwrap import fill, shorten
from typing import TYPE_CHECKING, Any, TypeVar

from nova_bench.render.figure_spec import (
    BarStack,
    Curve,
    CurveWithBand,
    FigureSpec,
    Interval,
    MetricDistribution,
    MetricIntervals,
    Numbers,
    Panel,
    Scatter,
    is_number,
)
from nova_bench.render.grid import clean_text, format_number
from nova_bench.render.style import ALARM, INK, MUTED, PAPER, WIDTHS, Look, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Ranged = TypeVar("Ranged", Panel, Interval)
TOGETHER = 3
"""So many curves with bands can be told apart on one axis."""
LABEL_LENGTH = 34
TICK_LENGTH = 26


@singledispatch
def drawing(spec: FigureSpec) -> Figure:
    """The figure of ``spec``; the current Matplotlib settings decide the style."""
    raise TypeError(f"no drawing for {type(spec).__name__}")


def _figure(spec: FigureSpec, height: float, rows: int = 1, **grid: Any) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTHS[spec.width], height), layout="constrained")
    axes = figure.subplots(rows, squeeze=False, **grid)
    return figure, list(axes.flat)


def _legend(figure: Figure, axes: Iterable[Axes], *, alone: bool = False) -> None:
    """One legend above all axes, with shared labels once, in as many columns as fit; none for a single series."""
    handles: list[Any] = []
    labels: list[str] = []
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    if len(labels) > 1 or (labels and alone):
        room = int(figure.get_figwidth() * 15.5)  # characters of legend text in a line
        columns = max(1, min(len(labels), room // (max(map(len, labels)) + 7)))
        figure.legend(handles, labels, loc="outside upper left", ncols=columns)


def _halo() -> dict[str, Any]:
    """A paper-coloured box that keeps a label readable on top of lines."""
    return {"boxstyle": "round,pad=0.12", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.85}


def _beside(
    ax: Axes,
    label: str,
    at: tuple[float, float],
    coordinates: tuple[str, str],
    shift: tuple[int, int],
    **style: Any,
) -> None:
    """A small label at a reference line; it is drawn on top and takes no room from the drawing."""
    text = ax.annotate(
        short_label(label), at, shift, coordinates, "offset points", size=7, bbox=_halo(), **{"va": "bottom", **style}
    )
    text.set_in_layout(False)


def _gaps(values: Numbers) -> list[float]:
    return [value if is_number(value) else math.nan for value in values]


def short_label(text: str, unit: str = "") -> str:
    """Text for an axis or legend, shortened if it would push the drawing off the page; the data files have it all."""
    text = clean_text(text)
    cut = text if len(text) <= LABEL_LENGTH else f"{text[: LABEL_LENGTH - 13]}…{text[-12:]}"
    return f"{cut} ({clean_text(unit)})" if unit else cut


def _tick(text: str) -> str:
    """Text beside an axis, on at most two lines."""
    return fill(short_label(text), TICK_LENGTH, max_lines=2, placeholder="…")


def _by_range(items: Sequence[Ranged]) -> list[list[Ranged]]:
    """Neighbours of one known range together, the others alone."""
    parts: list[list[Ranged]] = []
    for item in items:
        if parts and item.range is not None and parts[-1][0].range == item.range:
            parts[-1].append(item)
        else:
            parts.append([item])
    return parts


def _shown_range(ax: Axes, limits: tuple[float, float] | None) -> None:
    """The whole range, with room for marks at its ends."""
    if limits is not None:
        room = 0.02 * (limits[1] - limits[0])
        ax.set_xlim(limits[0] - room, limits[1] + room)


@drawing.register(MetricDistribution)
def _distribution(spec: MetricDistribution) -> Figure:
    if spec.style == "ecdf":
        figure, axes = _figure(spec, 1.7 * max(1, len(spec.panels)) + 0.3, max(1, len(spec.panels)))
        for panel, ax in zip(spec.panels, axes, strict=False):
            _ecdf(panel, ax)
            ax.set_xlabel(short_label(panel.label, panel.unit))
    else:
        parts = _by_range(spec.panels)
        heights = [0.24 * sum(len(panel.groups) for panel in part) + 0.5 for part in parts]
        figure, axes = _figure(spec, sum(heights) or 1.0, max(1, len(parts)), height_ratios=heights or [1])
        for part, ax in zip(parts, axes, strict=False):
            _strips(part, ax)
    _legend(figure, axes)
    return figure


def _strips(panels: Sequence[Panel], ax: Axes) -> None:
    """A lane for each group: points with a deterministic spread (golden-ratio sequence), and a bar at the mean."""
    from matplotlib.ticker import MaxNLocator

    names: list[str] = []
    for panel in panels:
        for number, group in enumerate(panel.groups):
            lane, values, style = len(names), [value for value in group.values if is_number(value)], look(number)
            spread = [lane + 0.5 * ((index * 0.618034) % 1 - 0.5) for index in range(len(values))]
            ax.scatter(
                values, spread, s=9, marker=style.marker, color=style.color, alpha=0.6, linewidths=0, clip_on=False
            )
            if values:
                ax.vlines(sum(values) / len(values), lane - 0.38, lane + 0.38, color=INK, linewidth=1.2)
            named = [panel.label] if len(panel.groups) == 1 else [panel.label, group.label]
            names.append(f"{', '.join(map(short_label, named))}, {_size(group.values)}")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    _shown_range(ax, panels[0].range)
    if panels[0].unit:
        ax.set_xlabel(clean_text(panels[0].unit))
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.grid(axis="y", visible=False)


def _ecdf(panel: Panel, ax: Axes) -> None:
    for lane, group in enumerate(panel.groups):
        values, style = sorted(value for value in group.values if is_number(value)), look(lane)
        share = [(index + 1) / len(values) for index in range(len(values))]
        label = f"{short_label(group.label)}, {_size(group.values)}".strip(", ")
        ax.step(
            [values[0], *values] if values else [],
            [0, *share] if values else [],
            where="post",
            label=label,
            color=style.color,
            linestyle=style.dashes,
        )
    ax.set_ylim(0, 1.02)
    ax.set_ylabel("share of samples ≤ x")


def _size(values: Numbers) -> str:
    finite = sum(map(is_number, values))
    return f"n = {finite}" if finite == len(values) else f"n = {finite} of {len(values)}"


@drawing.register(MetricIntervals)
def _intervals(spec: MetricIntervals) -> Figure:
    parts = [list(spec.intervals)] if spec.one_scale else _by_range(spec.intervals)
    heights = [0.2 * max(1, len(part)) + 0.26 for part in parts]
    figure, axes = _figure(spec, (sum(heights) or 1.0) + 0.25, max(1, len(parts)), height_ratios=heights or [1])
    for part, ax in zip(parts, axes, strict=False):
        _interval_rows(part, ax, spec)
    _legend(figure, axes, alone=True)
    return figure


def _interval_rows(items: Sequence[Interval], ax: Axes, spec: MetricIntervals) -> None:
    """One row for each metric, with its number at the right."""
    from matplotlib.ticker import MaxNLocator

    ax.set_yticks(range(len(items)), [short_label(item.label, item.unit) for item in items])
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=7, pad=1)
    ax.set_ylim(len(items) - 0.4, -0.6)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="y", visible=False)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    for row, item in enumerate(items):
        right = _interval_marks(item, row, ax, spec)
        ax.text(1.02, row, right, transform=ax.get_yaxis_transform(), ha="left", va="center", size=7.5)
    if not spec.one_scale and items[0].range is not None:
        _shown_range(ax, items[0].range)
    else:
        # An interval that fills its axis looks as wide as any other: it gets a third of it.
        ax.margins(x=0.12 if len(items) > 1 else 1.0)


def _interval_marks(item: Interval, row: int, ax: Axes, spec: MetricIntervals) -> str:
    """Mark a metric's mean, interval and published number; what stands at the right of its row."""
    if is_number(item.value):
        low, high = item.ci or (item.value, item.value)
        reach = [[max(0.0, item.value - low)], [max(0.0, high - item.value)]] if item.ci else None
        ax.errorbar(
            [item.value], [row], xerr=reach, fmt="o", color=look(0).color, capsize=3, label=spec.ci_label, clip_on=False
        )
    if is_number(item.published):
        face: dict[str, Any] = {"mfc": PAPER, "mec": look(1).color, "mew": 1.2}
        ax.plot([item.published], [row], "D", **face, label=spec.published_label, clip_on=False)
    if is_number(item.value):
        return format_number(item.value, item.digits)
    note = shorten(clean_text(item.note), 42 if spec.width == "column" else 110, placeholder=" …")
    height = row - 0.3 if is_number(item.published) else row
    ax.text(0.5, height, note, transform=ax.get_yaxis_transform(), ha="center", va="center", color=MUTED, size=7)
    return "–"


@drawing.register(CurveWithBand)
def _curves(spec: CurveWithBand) -> Figure:
    if spec.apart and len(spec.curves) > TOGETHER:
        return _curves_apart(spec)
    figure, (ax,) = _figure(spec, 2.3 if spec.width == "column" else 2.9)
    for index, curve in enumerate(spec.curves):
        _curve(curve, look(index), ax)
    _lines(spec, ax)
    ax.set_xlabel(short_label(spec.x_label))
    ax.set_ylabel(short_label(spec.y_label))
    _legend(figure, [ax])
    return figure


def _curves_apart(spec: CurveWithBand) -> Figure:
    """A panel for each curve but the first, which is in all of them."""
    from matplotlib.figure import Figure

    reference, *others = spec.curves
    columns = 2 if spec.width == "column" else 3
    rows = -(-len(others) // columns)
    figure = Figure(figsize=(WIDTHS[spec.width], 1.35 * rows + 0.45), layout="constrained")
    panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    grey = replace(look(0), color=MUTED, dashes="-", marker="")
    for index, (curve, ax) in enumerate(zip(others, panels, strict=False)):
        _curve(reference, grey, ax)
        _curve(curve, replace(look(index), dashes="-", marker=""), ax)
        _lines(spec, ax)
        ax.set_title(short_label(curve.label), size=8, color=INK)
    for ax in panels[len(others) :]:
        ax.set_visible(False)
    for ax in panels[max(0, len(others) - columns) : len(others)]:
        ax.tick_params(labelbottom=True)
    panels[0].legend([panels[0].lines[0]], [short_label(reference.label)], loc="best", fontsize=7)
    figure.supxlabel(short_label(spec.x_label), size=8, color=INK)
    figure.supylabel(short_label(spec.y_label), size=8, color=INK)
    return figure


def _curve(curve: Curve, style: Look, ax: Axes) -> None:
    """A line with its band."""
    x = _gaps(curve.x)
    ax.plot(
        x,
        _gaps(curve.y),
        color=style.color,
        linestyle=style.dashes,
        marker=style.marker,
        markevery=max(1, len(x) // 12),
        label=short_label(curve.label),
        zorder=3,
    )
    if curve.low is not None and curve.high is not None:
        ax.fill_between(x, _gaps(curve.low), _gaps(curve.high), color=style.color, alpha=0.18, linewidth=0)


def _lines(spec: CurveWithBand, ax: Axes) -> None:
    """Levels, marks, and the ticks below."""
    from matplotlib.ticker import MaxNLocator

    for level in spec.levels:
        ax.axhline(level.at, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
        _beside(ax, level.label, (1, level.at), ("axes fraction", "data"), (0, 2), color=MUTED, ha="right")
    for mark in spec.marks:
        ax.axvline(mark.at, color=ALARM, linewidth=1.2, linestyle=(0, (4, 1.5)))
        low, high = ax.get_xlim()
        side, shift = ("left", 2) if mark.at < low + 0.1 * (high - low) else ("right", -2)
        top = _free_above(spec, mark.at)
        _beside(
            ax,
            mark.label,
            (mark.at, 1.0 if top else 0.0),
            ("data", "axes fraction"),
            (shift, -3 if top else 3),
            color=ALARM,
            ha=side,
            va="top" if top else "bottom",
            rotation=90,
        )
    if all(float(x).is_integer() for curve in spec.curves for x in curve.x):  # steps, blocks, frames: whole numbers
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))


def _free_above(spec: CurveWithBand, at: float) -> bool:
    """Whether more of the curves' points near ``at`` are in the lower half of all values: the label then goes above."""
    points = [(x, y) for curve in spec.curves for x, y in zip(curve.x, curve.y, strict=True) if is_number(y)]
    if not points:
        return False
    edges = [
        y for curve in spec.curves for part in (curve.low, curve.y, curve.high) for y in part or () if is_number(y)
    ]
    reach, middle = max(x for x, _ in points) - min(x for x, _ in points), (min(edges) + max(edges)) / 2
    near = [y for x, y in points if abs(x - at) <= 0.1 * reach]
    return sum(y < middle for y in near) > len(near) / 2


@drawing.register(BarStack)
def _bars(spec: BarStack) -> Figure:
    figure, (ax,) = _figure(spec, 0.34 * max(1, len(spec.bars)) + 0.95)
    parts = [[value if is_number(value) else 0.0 for value in part.values] for part in spec.parts]
    totals = [sum(column) for column in zip(*parts, strict=True)] or [0.0] * len(spec.bars)
    factors = [100 / total if spec.shares and total else 1.0 for total in totals]
    reach = max((total * factor for total, factor in zip(totals, factors, strict=True)), default=0) or 1.0
    left = [0.0] * len(spec.bars)
    for index, (part, values) in enumerate(zip(spec.parts, parts, strict=True)):
        style, widths = look(index), [value * factor for value, factor in zip(values, factors, strict=True)]
        ax.barh(
            range(len(widths)),
            widths,
            0.62,
            left=left,
            color=style.color,
            edgecolor=PAPER,
            hatch=style.hatch,
            linewidth=0.6,
            label=short_label(part.label),
        )
        for bar, width in enumerate(widths):
            if width > 0.09 * reach:
                ax.text(left[bar] + width / 2, bar, f"{width:.3g}", ha="center", va="center", size=7, bbox=_halo())
        left = [start + width for start, width in zip(left, widths, strict=True)]
    ax.set_yticks(range(len(spec.bars)), [_tick(bar) for bar in spec.bars])
    ax.invert_yaxis()
    ax.set_xlim(0, reach * (1.0 if spec.shares else 1.02))
    ax.set_xlabel(short_label(spec.x_label, "%" if spec.shares else spec.unit))
    ax.grid(axis="y", visible=False)
    _legend(figure, [ax], alone=True)
    return figure


@drawing.register(Scatter)
def _scatter(spec: Scatter) -> Figure:
    figure, (ax,) = _figure(spec, 2.6 if spec.width == "column" else 3.6)
    pairs: list[tuple[float, float]] = []
    for index, points in enumerate(spec.sets):
        style = look(index)
        kept = [(x, y) for x, y in zip(points.x, points.y, strict=True) if is_number(x) and is_number(y)]
        ax.scatter(
            [x for x, _ in kept],
            [y for _, y in kept],
            s=14,
            marker=style.marker,
            color=style.color,
            alpha=0.75,
            linewidths=0,
            label=short_label(points.label),
        )
        pairs += kept
    if spec.diagonal and pairs:
        ends = [min(map(min, pairs)), max(map(max, pairs))]
        ax.plot(ends, ends, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), label="y = x", zorder=1)
    ax.set_xlabel(short_label(spec.x_label))
    ax.set_ylabel(short_label(spec.y_label))
    _legend(figure, [ax])
    return figure
