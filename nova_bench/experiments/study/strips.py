"""Frames at chosen steps of chosen videos, each setting under the ground truth (App. C, Figure 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.config.units import Unit
from nova_bench.experiments.study.curves import frames_per_step
from nova_bench.experiments.study.results import ArmResult, StudyResults
from nova_bench.experiments.study.spec import CurvesSpec, StripsSpec
from nova_bench.render.frame_strips import FrameStrips
from nova_bench.report.naming import sample_name
from nova_bench.report.sources import Strip
from nova_bench.store import Artifact, FailedUnit

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec
    from nova_bench.render.table import Table

LARGEST_SIDE = 240
"""Pixels; larger frames are scaled down for the figure, smaller ones are shown as they are."""


def strips_part(results: StudyResults, asked: StripsSpec) -> tuple[list[Table], list[FigureSpec]]:
    """A figure per video: a row of frames for the ground truth and for each setting (its first training)."""
    arms = [setting.measured[0] for setting in results.settings if setting.measured]
    units: dict[tuple[str, int], Unit] = {}
    for arm in arms:
        for unit in arm.measured_plan.units:
            units.setdefault((unit.prompt_id, unit.sample_index), unit)
    figures: list[FigureSpec] = []
    sources = results.sources
    assert sources is not None, "results_of gives the arms' files"
    listed = list(units.items())
    for position in asked.samples:
        if position >= len(listed):
            continue
        key, unit = listed[position]
        files = [(arm.record.setting, _file_of(arm, key)) for arm in arms]
        if unit.reference:
            files.insert(0, ("ground truth", sources.reference(unit)))
        videos = [(label, sources.strip(file, LARGEST_SIDE)) for label, file in files]
        chosen, width = _steps(results, asked, videos)
        figures.append(
            FrameStrips(
                id=f"strips_{position}",
                title=f"Frames of “{sample_name(unit)}”",
                caption=f"Step 0 is the given first frame; below each step, the last of its {width} frames.",
                width="page",
                columns=tuple(f"step {step}" for step in chosen),
                rows=tuple(label for label, _ in videos),
                pictures=tuple(
                    tuple(strip.picture(step * width) if strip else None for step in chosen) for _, strip in videos
                ),
            )
        )
    return [], figures


def _file_of(arm: ArmResult, key: tuple[str, int]) -> Artifact | FailedUnit | None:
    unit = next((unit for unit in arm.measured_plan.units if (unit.prompt_id, unit.sample_index) == key), None)
    return arm.artifacts.get(unit.digest) if unit else None


def _steps(results: StudyResults, asked: StripsSpec, videos: list[tuple[str, Strip | None]]) -> tuple[list[int], int]:
    """The steps to show, as requested or evenly spread over the longest video, and the frames per step."""
    width = frames_per_step(results, results.record.curves or CurvesSpec())
    last = max((strip.length - 1 for _, strip in videos if strip), default=0) // width
    if asked.steps:
        return [step for step in asked.steps if step <= last], width
    count = min(asked.columns, last + 1)
    return sorted({round(index * last / max(1, count - 1)) for index in range(count)}), width
