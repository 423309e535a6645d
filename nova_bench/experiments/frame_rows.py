"""Joins the data frames of an experiment's parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas


def join_frames(parts: Iterable[tuple[Mapping[str, Any], pandas.DataFrame]]) -> pandas.DataFrame:
    """The rows of all parts, each after its part's columns: (column -> value, rows). Empty without parts."""
    import pandas

    frames = []
    for columns, frame in parts:
        for place, (name, value) in enumerate(columns.items()):
            frame.insert(place, name, value)
        frames.append(frame)
    return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()
