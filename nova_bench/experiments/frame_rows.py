"""Joins the data frames of an experiment's parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nova_bench.core.visible_text import visible

if TYPE_CHECKING:
    import pandas

SAMPLES = "samples.csv"
"""The rows of all parts, in a report's folder."""


def join_frames(parts: Iterable[tuple[Mapping[str, Any], pandas.DataFrame]]) -> pandas.DataFrame:
    """The rows of all parts, each after its part's columns: (column -> value, rows). Empty without parts."""
    import pandas

    frames = []
    for columns, frame in parts:
        for place, (name, value) in enumerate(columns.items()):
            frame.insert(place, name, value)
        frames.append(frame)
    return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()


def frame_csv(frame: pandas.DataFrame) -> str:
    """The rows without their details, as CSV; empty without rows."""
    if frame.empty:
        return ""
    return visible(frame.drop(columns="details", errors="ignore").to_csv(index=False, lineterminator="\n"))
