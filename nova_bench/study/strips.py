"""Frames at chosen steps of chosen videos, each setting under the ground truth (App. C, Figure 3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.errors import MediaError
from nova_bench.models.base import Unit
from nova_bench.report.naming import sample_name
from nova_bench.store import Artifact
from nova_bench.study.curves import frames_per_step
from nova_bench.study.results import ArmResult, StudyResults
from nova_bench.study.spec import CurvesSpec, StripsSpec

if TYPE_CHECKING:
    import numpy as np

    from nova_bench.render.figure_spec import FigureSpec
    from nova_bench.render.table import Table
    from nova_bench.video.limits import MediaLimits

LARGEST_SIDE = 240
"""Pixels; larger frames are scaled down for the figure, smaller ones are shown as they are."""


def strips_part(results: StudyResults, asked: StripsSpec) -> tuple[list[Table], list[FigureSpec]]:
    """A figure per video: a row of frames for the ground truth and for each setting (its first training)."""
    from nova_bench.render.frame_strips import FrameStrips

    arms = [setting.measured[0] for setting in results.settings if setting.measured]
    units: dict[tuple[str, int], Unit] = {}
    for arm in arms:
        for unit in arm.plan.units:
            units.setdefault((unit.prompt_id, unit.sample_index), unit)
    figures: list[FigureSpec] = []
    listed = list(units.items())
    for position in asked.samples:
        if position >= len(listed):
            continue
        key, unit = listed[position]
        files = [(arm.record.setting, _file_of(arm, key), arm.plan.suite.media) for arm in arms]
        if unit.reference:
            files.insert(0, ("ground truth", Path(unit.reference), arms[0].plan.suite.media))
        videos = [(label, _frames(path, limits)) for label, path, limits in files]
        chosen, width = _steps(results, asked, videos)
        figures.append(
            FrameStrips(
                id=f"strips_{position}",
                title=f"Frames of “{sample_name(unit)}”",
                caption=f"Step 0 is the given first frame; below each step, the last of its {width} frames.",
                width="page",
                columns=tuple(f"step {step}" for step in chosen),
                rows=tuple(label for label, _ in videos),
                pictures=tuple(tuple(_picture(frames, step * width) for step in chosen) for _, frames in videos),
            )
        )
    return [], figures


def _file_of(arm: ArmResult, key: tuple[str, int]) -> Path | None:
    unit = next((unit for unit in arm.plan.units if (unit.prompt_id, unit.sample_index) == key), None)
    made = arm.artifacts.get(unit.digest) if unit else None
    return made.path if isinstance(made, Artifact) else None


def _frames(path: Path | None, limits: MediaLimits) -> np.ndarray | None:
    from nova_bench.video import read_clip

    if path is None:
        return None
    try:
        return read_clip(path, allow_truncated=True, limits=limits).frames.numpy()
    except MediaError:
        return None


def _steps(
    results: StudyResults, asked: StripsSpec, videos: list[tuple[str, np.ndarray | None]]
) -> tuple[list[int], int]:
    """The steps to show, and the frames of one: those asked for, else evenly spread over the longest video."""
    width = frames_per_step(results, results.record.curves or CurvesSpec())
    last = max((len(frames) - 1 for _, frames in videos if frames is not None), default=0) // width
    if asked.steps:
        return [step for step in asked.steps if step <= last], width
    count = min(asked.columns, last + 1)
    return sorted({round(index * last / max(1, count - 1)) for index in range(count)}), width


def _picture(frames: np.ndarray | None, index: int) -> np.ndarray | None:
    """One frame, uint8 [h, w, 3], at most LARGEST_SIDE pixels a side; None where the video has no such frame."""
    import cv2

    if frames is None or index >= len(frames):
        return None
    height, width = frames.shape[1:3]
    scale = LARGEST_SIDE / max(height, width)
    if scale >= 1:
        return frames[index]
    return cv2.resize(frames[index], (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
