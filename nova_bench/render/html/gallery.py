"""The samples of a report as compact JSON; the page builds only the few cards in view."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nova_bench.core.visible_text import visible
from nova_bench.render.html.media import MediaShelf

SPARK_POINTS = 64
_FEWEST_POINTS = 8
_POINTS = 120_000
"""Of all lines together, so that a page of thousands of samples stays small."""


@dataclass(frozen=True)
class GalleryMetric:
    """How the gallery shows and sorts one metric; shown value = value * scale. Without a direction: sorting only."""

    key: str
    title: str = ""
    unit: str = ""
    higher_is_better: bool | None = None
    digits: int = 4
    scale: float = 1.0


@dataclass(frozen=True)
class GalleryItem:
    """One sample. ``prompt`` may be any text; it is only shown as text.

    ``scores`` maps a metric to its value, or None if it is missing. ``details`` maps a metric to its numbers over time
    (per frame or per pair), drawn as a small line, ``limits`` to a value drawn across that line, ``notes`` to a line of
    text that explains the value. ``media`` and ``reference`` are files on disk; ``poster`` is a JPEG. If ``mime`` is
    None, it is guessed from the file name. ``labels`` are short tags (run, dimension, ...). ``key`` is what links to
    the sample name it by; without one, it can't be linked to.
    """

    prompt: str
    sample_index: int = 0
    status: Literal["ok", "failed", "skipped"] = "ok"
    error: str = ""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    details: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    media: Path | None = None
    poster: bytes | None = None
    mime: str | None = None
    reference: Path | None = None
    reference_mime: str | None = None
    labels: tuple[str, ...] = ()
    key: str = ""

    def __post_init__(self) -> None:
        if self.status not in ("ok", "failed", "skipped"):
            raise ValueError(f"unknown sample status {self.status!r}")


def gallery_data(items: Sequence[GalleryItem], metrics: Sequence[GalleryMetric], shelf: MediaShelf) -> dict[str, Any]:
    """``{"metrics": [...], "items": [...]}`` for the page. Metrics without a description follow those with one."""
    known = {metric.key: metric for metric in metrics}
    for item in items:
        for key in (*item.scores, *item.details, *item.limits, *item.notes):
            known.setdefault(key, GalleryMetric(key))
    posters = [None if item.poster is None else shelf.poster(item.poster) for item in items]
    points = max(_FEWEST_POINTS, min(SPARK_POINTS, _POINTS // max(1, sum(len(item.details) for item in items))))
    return {
        "metrics": [
            {
                "title": visible(metric.title or metric.key),
                "unit": metric.unit,
                "higher": metric.higher_is_better,
                "digits": metric.digits,
            }
            for metric in known.values()
        ],
        "items": [_item(item, known, poster, points, shelf) for item, poster in zip(items, posters, strict=True)],
    }


def _item(
    item: GalleryItem, known: Mapping[str, GalleryMetric], poster: int | str | None, points: int, shelf: MediaShelf
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "prompt": visible(item.prompt),
        "index": item.sample_index,
        "status": item.status,
        "scores": [_score(item.scores.get(key), metric.scale) for key, metric in known.items()],
    }
    details = {
        str(position): thinned(item.details[key], metric.scale, points)
        for position, (key, metric) in enumerate(known.items())
        if item.details.get(key)
    }
    positions = {key: str(position) for position, key in enumerate(known)}
    optional = {
        "error": visible(item.error),
        "labels": [visible(label) for label in item.labels],
        "details": details,
        "limits": {positions[key]: thinned([limit], known[key].scale)[0] for key, limit in item.limits.items()},
        "notes": {positions[key]: visible(note) for key, note in item.notes.items() if note},
        "key": item.key,
        "poster": poster,
        "media": _file(shelf.media(item.media, item.mime)) if item.media else None,
        "reference": _file(shelf.media(item.reference, item.reference_mime)) if item.reference else None,
    }
    return entry | {key: value for key, value in optional.items() if value not in (None, "", [], {})}


def _file(entry: dict[str, object]) -> dict[str, object]:
    """A file without its name, which its address ends with."""
    return {key: value for key, value in entry.items() if key != "name" or "href" not in entry}


def _score(value: float | None, scale: float) -> float | str | None:
    """A JSON value: infinities as text that JavaScript's Number() reads, NaN as missing."""
    if value is None or math.isnan(value):
        return None
    return float(f"{value * scale:.9g}") if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def thinned(values: Sequence[float | None], scale: float = 1.0, points: int = SPARK_POINTS) -> list[float | None]:
    """At most ``points`` evenly spaced values, including first and last, of four digits each; gaps stay gaps."""
    count = min(len(values), points)
    picks = (values[round(index * (len(values) - 1) / max(1, count - 1))] for index in range(count))
    return [float(f"{value * scale:.4g}") if value is not None and math.isfinite(value) else None for value in picks]
