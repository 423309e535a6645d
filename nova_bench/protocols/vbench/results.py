"""VBench's results files, ``NAME_eval_results.json``: for each dimension [aggregate, [a record per video]].

The records are those of the official repository's vbench/DIMENSION.py at 45e79ec. Files from before July 2024 have only
``video_path`` and ``video_results`` in each record.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nova_bench.core.json_text import parse_json
from nova_bench.core.messages import shorten
from nova_bench.protocols.base import ResultRow, ResultsFile, StatedResult
from nova_bench.protocols.vbench.composite import QUALITY, SEMANTIC

ENDING = "_eval_results.json"
DIMENSIONS = tuple(part.metric for part in (*QUALITY.parts, *SEMANTIC.parts))
_FRAMES = "frame_scores"
"""Key of a row's details under which this package's scorers keep what the official files call ``frame_results``."""
_IMAGING = 100.0
"""MUSIQ's scores are 0 to 100 in the records of imaging_quality, but not in its aggregate."""


def read(text: str) -> list[StatedResult]:
    """The dimensions of a results file; an empty list if it is JSON of another kind. ValueError if it is damaged.

    Keys that are no dimension of VBench, such as those of VBench-I2V, are left out.
    """
    document = parse_json(text)
    if not isinstance(document, dict):
        return []
    named = {str(key).replace(" ", "_"): value for key, value in document.items()}
    return [_dimension(name, named[name]) for name in DIMENSIONS if name in named]


def write(results: Sequence[StatedResult]) -> str:
    """The text of a results file; metrics that are no dimension of VBench are left out. Empty if none is left."""
    document = {
        result.metric: [result.value, [_record(result.metric, row) for row in result.rows]]
        for result in results
        if result.metric in DIMENSIONS
    }
    return json.dumps(document, indent=4) + "\n" if document else ""


def _dimension(name: str, stated: Any) -> StatedResult:
    if not isinstance(stated, list) or not stated:
        raise ValueError(f"{name}: expected [aggregate, videos]")
    value = _number(stated[0])
    if value is None:
        raise ValueError(f"{name}: the aggregate is {shorten(str(stated[0]))}, not a number")
    records = stated[1] if len(stated) > 1 else []
    if not isinstance(records, list):
        raise ValueError(f"{name}: the second entry is not a list of videos")
    rows = []
    for position, record in enumerate(records):
        try:
            rows.append(_row(name, record))
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ValueError(f"{name}: video {position + 1} of {len(records)}: {_fault(error)}") from error
    return StatedResult(name, value if math.isfinite(value) else None, tuple(rows))


def _fault(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _row(name: str, record: Any) -> ResultRow:
    if not isinstance(record, dict):
        raise ValueError("expected an object with video_path and video_results")
    path, value = record["video_path"], _number(record["video_results"])
    if not isinstance(path, str):
        raise ValueError("video_path is not text")
    if value is None:
        raise ValueError("video_results is not a number")
    if name == "imaging_quality":
        value /= _IMAGING
    weight, details = 1.0, {}
    if name in _FRAME_LISTS and "frame_results" in record:
        frames = [_finite(frame) for frame in record["frame_results"]]
        value, weight, details = sum(frames) / len(frames), float(len(frames)), {_FRAMES: frames}
    elif name in _COUNTS:
        part, of = _COUNTS[name]
        if of in record:
            if (weight := _finite(record[of])) <= 0:
                raise ValueError(f"{of} is {weight:g}")
            value = _finite(record[part]) / weight
    return ResultRow(path, value if math.isfinite(value) else None, weight, details)


_FRAME_LISTS = ("appearance_style", "spatial_relationship")
_COUNTS = {
    "background_consistency": ("video_sim", "cnt_per_video"),
    "object_class": ("success_frame_count", "frame_count"),
    "multiple_objects": ("success_frame_count", "frame_count"),
    "scene": ("success_frame_count", "frame_count"),
}
"""Dimension -> the keys of the sum over frames and of their number."""


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def _finite(value: Any) -> float:
    number = _number(value)
    if number is None or not math.isfinite(number):
        raise ValueError(f"{shorten(str(value))} is not a finite number")
    return number


def _record(name: str, row: ResultRow) -> dict[str, Any]:
    """A video's record with the keys of the official code."""
    value = row.value
    assert value is not None, f"{row.path} has no score"
    if name in _FRAME_LISTS:  # the row's value is another one if a suite chose another aggregate
        value = sum(_frames(row)) / len(_frames(row))
    shown: Any = value * _IMAGING if name == "imaging_quality" else bool(value) if name in _BOOLEAN else value
    return {"video_path": row.path, "video_results": shown, **_MORE.get(name, _nothing)(value, row)}


def _nothing(value: float, row: ResultRow) -> Mapping[str, Any]:
    return {}


def _count(value: float, row: ResultRow) -> Mapping[str, Any]:
    return {"success_frame_count": round(value * row.weight), "frame_count": int(row.weight)}


def _frames(row: ResultRow) -> list[float]:
    return list(row.details[_FRAMES])


_BOOLEAN = ("dynamic_degree", "human_action")
_MORE: Mapping[str, Callable[[float, ResultRow], Mapping[str, Any]]] = {
    "background_consistency": lambda value, row: {"video_sim": value * row.weight, "cnt_per_video": int(row.weight)},
    "object_class": _count,
    "multiple_objects": _count,
    "scene": _count,
    "human_action": lambda value, row: {"cor_num_per_video": int(value)},
    "color": lambda value, row: {"cur_success_frame_rate": value},
    "spatial_relationship": lambda value, row: {"frame_results": _frames(row)},
    "appearance_style": lambda value, row: {"frame_results": _frames(row), "cur_sim": _frames(row)[-1]},
}
"""Dimension -> what its records contain besides path and score, from the score and the row."""

RESULTS = ResultsFile(title="VBench", ending=ENDING, suite="vbench", read=read, write=write)
