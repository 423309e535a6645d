"""Each metric's interval against its margin, as positions on one scale that all metrics share: their margins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nova_bench.core.visible_text import visible
from nova_bench.gate.outputs.words import SIGNS, in_margins, interval_text, margin_and_p, ranked, verdict_sentence
from nova_bench.gate.verdict_file import MetricVerdict

REACH = 5.0
"""The scale ends at most this many margins from zero; what lies beyond is drawn as an arrow."""
ROOM = 0.4
"""Margins of empty room at each end."""


@dataclass(frozen=True)
class Scale:
    """Ends of the scale, in margins."""

    low: float
    high: float

    def at(self, margins: float) -> float:
        """Position in percent of the width, within [0, 100]."""
        clipped = min(max(margins, self.low), self.high)
        return round(100 * (clipped - self.low) / (self.high - self.low), 3)


@dataclass(frozen=True)
class Strip:
    """One row of the plot. Positions are in percent; None if the metric has no interval."""

    name: str
    verdict: str
    sign: str
    gating: bool
    composite: bool
    numbers: str
    more: str
    sentence: str
    at: float | None
    low: float | None
    high: float | None
    beyond_low: bool
    beyond_high: bool
    noise: tuple[float, float] | None
    """Left end and width of the noise between seeds."""

    @property
    def slug(self) -> str:
        """The verdict as a CSS class."""
        return self.verdict.replace(" ", "-")


def scale_of(metrics: Sequence[MetricVerdict]) -> Scale:
    """A scale that shows zero, the margin and, within limits, every interval."""
    values = [in_margins(m, value) for m in metrics for value in (m.low, m.difference, m.high)]
    known = [value for value in values if value is not None]
    low, high = min([-1.0, *known]), max([0.0, *known])
    return Scale(max(low, -REACH) - ROOM, min(high, REACH) + ROOM)


def strips(metrics: Sequence[MetricVerdict], scale: Scale) -> list[Strip]:
    """The rows of the plot, in the table's order."""
    return [_strip(metric, scale) for metric in ranked(metrics)]


def _strip(metric: MetricVerdict, scale: Scale) -> Strip:
    at, low, high = (in_margins(metric, value) for value in (metric.difference, metric.low, metric.high))
    noise = in_margins(metric, metric.noise.difference + metric.noise.reach) if metric.noise else None
    more = [*margin_and_p(metric), metric.note] if metric.difference is not None else []
    return Strip(
        name=metric.metric,
        verdict=metric.verdict,
        sign=SIGNS[metric.verdict],
        gating=metric.gating,
        composite=metric.composite,
        numbers=visible(interval_text(metric)),
        more=", ".join(filter(None, more)),
        sentence=verdict_sentence(metric),
        at=None if at is None else scale.at(at),
        low=None if low is None else scale.at(low),
        high=None if high is None else scale.at(high),
        beyond_low=low is not None and low < scale.low,
        beyond_high=high is not None and high > scale.high,
        noise=None if noise is None else (scale.at(-noise), scale.at(noise) - scale.at(-noise)),
    )
