"""Models beside each other: a dot plot with a panel for each score, and the same as a radar chart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nova_bench.render.drawing import drawing, short_label
from nova_bench.render.figure_spec import FigureSpec, Number, Numbers, is_number, same_length
from nova_bench.render.style import GRID, INK, MUTED, PAPER, WIDTHS, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 0.19
"""Inches for each model."""
_ROOM = 0.75
"""Inches for the panels' titles, ticks and legend."""


@dataclass(frozen=True)
class ModelScores:
    """A model's scores, one per panel; ``intervals`` are (low, high), or None where there is none."""

    label: str
    values: Numbers
    intervals: tuple[tuple[float, float] | None, ...] = ()
    published: bool = False

    @property
    def ranges(self) -> tuple[tuple[float, float] | None, ...]:
        """An interval or None for each value."""
        return self.intervals or (None,) * len(self.values)


@dataclass(frozen=True, kw_only=True)
class _Scores(FigureSpec):
    scores: tuple[str, ...]
    models: tuple[ModelScores, ...]
    unit: str = ""
    interval_label: str = "95 % CI"

    def __post_init__(self) -> None:
        for model in self.models:
            same_length(model.label, self.scores, model.values, model.ranges)

    def records(self) -> Iterator[dict[str, Any]]:
        for model in self.models:
            for score, value, interval in zip(self.scores, model.values, model.ranges, strict=True):
                low, high = interval or (None, None)
                kind = "published" if model.published else "measured"
                key = {"model": model.label, "kind": kind, "score": score}
                yield {**key, "value": value, "ci_low": low, "ci_high": high, "unit": self.unit}


@dataclass(frozen=True, kw_only=True)
class DotPlot(_Scores):
    """A row for each model, a panel for each score; published marks are hollow, measured ones have intervals."""


@dataclass(frozen=True, kw_only=True)
class Radar(_Scores):
    """A spoke for each score, a line for each model, dotted if it is published. Harder to read than a dot plot."""


@drawing.register(DotPlot)
def _dots(spec: DotPlot) -> Figure:
    from matplotlib.figure import Figure

    height = _ROW * max(1, len(spec.models)) + _ROOM
    figure = Figure(figsize=(WIDTHS[spec.width], height), layout="constrained")
    panels = list(figure.subplots(1, len(spec.scores), sharey=True, squeeze=False).flat)
    for index, (score, ax) in enumerate(zip(spec.scores, panels, strict=True)):
        _panel(spec, index, ax)
        ax.set_title(short_label(score), size=8, color=INK)
    labels = [short_label(model.label) for model in spec.models]
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.4, -0.6)
    if spec.unit:
        figure.supxlabel(spec.unit, size=7.5, color=INK)
    _kinds(figure, spec)
    return figure


def _panel(spec: DotPlot, index: int, ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    for row, model in enumerate(spec.models):
        value, interval = model.values[index], model.ranges[index]
        if not is_number(value):
            continue
        style = look(1 if model.published else 0)
        if interval:
            reach = [[max(0.0, value - interval[0])], [max(0.0, interval[1] - value)]]
            ax.errorbar([value], [row], xerr=reach, fmt="none", color=style.color, capsize=2, elinewidth=1.1)
        face = PAPER if model.published else style.color
        ax.plot([value], [row], "D" if model.published else "o", mfc=face, mec=style.color, mew=1.1, ms=4.2)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=7, pad=1)
    ax.spines["left"].set_visible(False)
    ax.margins(x=0.12)
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))


def _kinds(figure: Figure, spec: DotPlot) -> None:
    """The legend: what a hollow and a filled mark is."""
    from matplotlib.lines import Line2D

    kinds = {model.published for model in spec.models}
    handles = []
    if False in kinds:
        style: dict[str, Any] = {"marker": "o", "color": look(0).color, "linestyle": "-"}
        handles.append(Line2D([], [], label=f"measured, {spec.interval_label}", **style))
    if True in kinds:
        style = {"marker": "D", "color": look(1).color, "linestyle": "", "mfc": PAPER}
        handles.append(Line2D([], [], label="published", **style))
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=2)


@drawing.register(Radar)
def _radar(spec: Radar) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTHS[spec.width], WIDTHS[spec.width] * 0.62), layout="constrained")
    ax: Any = figure.add_subplot(projection="polar")
    spokes = [2 * math.pi * index / max(1, len(spec.scores)) for index in range(len(spec.scores))]
    for number, model in enumerate(spec.models):
        style = look(number)
        dashes = (0, (1, 1.5)) if model.published else style.dashes
        values = _closed(model.values)
        label = f"{short_label(model.label)} (published)" if model.published else short_label(model.label)
        ax.plot(_closed(spokes), values, color=style.color, linestyle=dashes, marker=style.marker, ms=3, label=label)
    ax.set_xticks(spokes, [short_label(score) for score in spec.scores])
    ax.set_theta_offset(math.pi / 2)
    ax.set_theta_direction(-1)
    known = [value for model in spec.models for value in model.values if is_number(value)]
    ax.set_ylim(math.floor(min(known, default=0.0) / 10) * 10, 100 if spec.unit == "%" else None)
    ax.tick_params(axis="y", labelsize=7, labelcolor=MUTED)
    ax.grid(color=GRID)
    if spec.models:
        figure.legend(loc="outside right upper", fontsize=7)
    return figure


def _closed(values: Sequence[Number]) -> list[float]:
    """The values with the first one again at the end; a missing one is a gap."""
    known = [value if is_number(value) else math.nan for value in values]
    return [*known, *known[:1]]
