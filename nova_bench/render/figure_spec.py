"""The content of figures as data: series, intervals, shares and reference lines; no colours, no axes objects.

Every spec can list its numbers as flat records (``records``), which are stored beside each drawn figure. ``None`` and
NaN are gaps: nothing is drawn for them. Series that belong together must have equal lengths (``ValueError``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, TypeGuard

Number = float | None
Numbers = tuple[Number, ...]


@dataclass(frozen=True, kw_only=True)
class FigureSpec:
    """Common to all figures: ``id`` names the files, ``width`` is a paper's column (3.3 in) or page (6.8 in)."""

    id: str
    title: str
    caption: str = ""
    width: Literal["column", "page"] = "column"

    @cached_property
    def drawn(self) -> dict[str, bytes]:
        """Format -> the drawing so far: the files and pages that show a figure share one drawing."""
        return {}

    def records(self) -> Iterator[dict[str, Any]]:
        """The numbers of the figure, one flat record per mark."""
        raise NotImplementedError

    def document(self) -> dict[str, Any]:
        """The figure's whole content as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Group:
    """Scores of one set of samples, e.g. one run."""

    label: str
    values: Numbers


@dataclass(frozen=True)
class Panel:
    """One metric with its per-sample scores, one group per run. ``range``: between which values it lies, if known."""

    label: str
    groups: tuple[Group, ...]
    unit: str = ""
    range: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class MetricDistribution(FigureSpec):
    """The spread of single samples' scores: a strip of points or an empirical distribution function per metric."""

    panels: tuple[Panel, ...]
    style: Literal["strip", "ecdf"] = "strip"

    def records(self) -> Iterator[dict[str, Any]]:
        for panel in self.panels:
            for group in panel.groups:
                for index, value in enumerate(group.values):
                    key = {"metric": panel.label, "group": group.label, "sample": index}
                    yield {**key, "value": value, "unit": panel.unit}


@dataclass(frozen=True)
class Interval:
    """A metric's mean with its confidence interval and, if available, the published number.

    ``range``: between which values the metric lies, if known; metrics with the same range share an axis. Without
    ``value``, the ``note`` is shown instead ("not computed: needs FILE").
    """

    label: str
    value: Number
    ci: tuple[float, float] | None = None
    published: Number = None
    unit: str = ""
    digits: int = 4
    note: str = "not computed"
    range: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class MetricIntervals(FigureSpec):
    """Mean and confidence interval per metric, beside the published number.

    Metrics of one range share an axis over that range, the others have their own. With ``one_scale`` all share one:
    they are values of one metric, to be compared by eye.
    """

    intervals: tuple[Interval, ...]
    one_scale: bool = False
    published_label: str = "published"
    ci_label: str = "mean, 95 % CI"

    def records(self) -> Iterator[dict[str, Any]]:
        for item in self.intervals:
            low, high = item.ci or (None, None)
            numbers = {"value": item.value, "ci_low": low, "ci_high": high, "published": item.published}
            yield {
                "metric": item.label,
                **numbers,
                "unit": item.unit,
                "note": "" if is_number(item.value) else item.note,
            }


@dataclass(frozen=True)
class Curve:
    """y over x with an optional band (``low``, ``high``)."""

    label: str
    x: tuple[float, ...]
    y: Numbers
    low: Numbers | None = None
    high: Numbers | None = None

    def __post_init__(self) -> None:
        same_length(self.label, self.x, self.y, self.low, self.high)
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.label!r}: a band needs both edges")


@dataclass(frozen=True)
class Line:
    """A labelled reference at ``at``: a level (baseline, ceiling) or a mark on x, e.g. the training length."""

    label: str
    at: float


@dataclass(frozen=True, kw_only=True)
class CurveWithBand(FigureSpec):
    """Values over steps with confidence bands, horizontal ``levels`` and vertical ``marks``.

    With ``apart``, more than three curves get a panel each, with the first one, the reference, in grey: bands that lie
    on each other can't be told apart.
    """

    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    levels: tuple[Line, ...] = ()
    marks: tuple[Line, ...] = ()
    apart: bool = False

    def records(self) -> Iterator[dict[str, Any]]:
        for curve in self.curves:
            gap: Numbers = (None,) * len(curve.x)
            for x, y, low, high in zip(curve.x, curve.y, curve.low or gap, curve.high or gap, strict=True):
                yield {"kind": "curve", "label": curve.label, "x": x, "y": y, "low": low, "high": high}
        for kind, lines in (("level", self.levels), ("mark", self.marks)):
            for line in lines:
                at = {"x": None, "y": line.at} if kind == "level" else {"x": line.at, "y": None}
                yield {"kind": kind, "label": line.label, **at, "low": None, "high": None}


@dataclass(frozen=True)
class Part:
    """One component of every bar, e.g. the time in the temporal layers."""

    label: str
    values: Numbers


@dataclass(frozen=True, kw_only=True)
class BarStack(FigureSpec):
    """The parts of a whole, one stacked bar per label; ``shares`` draws each bar as 100 %."""

    bars: tuple[str, ...]
    parts: tuple[Part, ...]
    x_label: str
    unit: str = ""
    shares: bool = False

    def __post_init__(self) -> None:
        same_length("bars and parts", self.bars, *(part.values for part in self.parts))
        if any(is_number(value) and value < 0 for part in self.parts for value in part.values):
            raise ValueError("a part of a whole can't be negative")

    def records(self) -> Iterator[dict[str, Any]]:
        for part in self.parts:
            for bar, value in zip(self.bars, part.values, strict=True):
                yield {"bar": bar, "part": part.label, "value": value, "unit": self.unit}


@dataclass(frozen=True)
class Points:
    """A set of points."""

    label: str
    x: Numbers
    y: Numbers

    def __post_init__(self) -> None:
        same_length(self.label, self.x, self.y)


@dataclass(frozen=True, kw_only=True)
class Scatter(FigureSpec):
    """Points of one or several sets; ``diagonal`` adds the line y = x, for two runs of the same samples."""

    x_label: str
    y_label: str
    sets: tuple[Points, ...]
    diagonal: bool = False

    def records(self) -> Iterator[dict[str, Any]]:
        for points in self.sets:
            for x, y in zip(points.x, points.y, strict=True):
                yield {"set": points.label, "x": x, "y": y}


def is_number(value: Number) -> TypeGuard[float]:
    """Whether the value is a finite number that can be drawn."""
    return value is not None and math.isfinite(value)


def same_length(label: str, *series: Sequence[Any] | None) -> None:
    """Raise ``ValueError`` unless all given series have the same length."""
    lengths = {len(part) for part in series if part is not None}
    if len(lengths) > 1:
        raise ValueError(f"{label!r}: series of different lengths {sorted(lengths)}")
