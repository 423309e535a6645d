"""Scores of media that exist already, without a suite file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nova_bench.config.catalog import SCORERS
from nova_bench.config.loading import validate_suite, with_named_scorers, with_options
from nova_bench.config.suite import Suite
from nova_bench.config.yaml_source import Origin, Source
from nova_bench.core.errors import UserError
from nova_bench.core.messages import shorten
from nova_bench.core.progress import Progress
from nova_bench.experiments.benchmark.run import run_suite
from nova_bench.models.shorthand import model_section
from nova_bench.pipeline.needs import absent_assets
from nova_bench.report.reported import Reported
from nova_bench.report.run_list import write_index
from nova_bench.store import Store
from nova_bench.video.folder import list_media
from nova_bench.video.formats import IMAGE_SUFFIXES, MEDIA_SUFFIXES
from nova_bench.video.frame_folder import like_frames

ALONE = ("temporal_flickering", "dynamic_degree_dis")
"""What is measured by default: no weights are needed."""
WITH_REFERENCE = ("psnr", "ssim", "ms_ssim")
"""What is measured in addition if there are references."""
MANIFESTS = (".csv", ".jsonl")
WITH_WEIGHTS = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)
"""What can be measured on any video with VBench's weights."""


@dataclass(frozen=True)
class ScoreRequest:
    """One call of `nova_bench score`."""

    path: Path
    """A video or image, a folder of them, a folder of frames or of such folders, or a manifest."""
    store: Path
    metrics: Sequence[str] = ()
    """Names of scorers; empty: those that need no weights."""
    reference: Path | None = None
    """What to compare with: a file for a file, a folder for a folder."""
    fps: float | None = None
    """Frames per second of folders of frames."""
    execution: Mapping[str, Any] = field(default_factory=dict)
    """Keys of a suite's `execution` section."""
    media: Mapping[str, Any] = field(default_factory=dict)
    """Keys of a suite's `media` section."""
    optional: bool = False
    """Whether metrics that no sample allows are left out, as the default ones are."""

    @property
    def may_compare(self) -> bool:
        """Whether samples may have references: by the option, or by a column of a manifest."""
        return self.reference is not None or self.path.suffix.lower() in MANIFESTS


def score(request: ScoreRequest, progress: Progress) -> Reported:
    """Score media and write a report. UserError for a path, a metric or a reference that can't be used."""
    reported = run_suite(scoring_suite(request), request.store, None, progress)
    with Store.reader(request.store) as store:
        write_index(store)
    return reported


def scoring_suite(request: ScoreRequest) -> Suite:
    """The suite that `nova_bench score` runs. UserError, or SuiteError with the option, if it can't be."""
    here = Path.cwd()
    chosen = request.metrics or (*ALONE, *(WITH_REFERENCE if request.may_compare else ()))
    uses = [{"name": name, "optional": request.optional or not request.metrics} for name in chosen]
    source = Source({"name": "score", "title": "Scores"}, {(): Origin("nova_bench score", here)})
    source = source.with_value(("model",), _media(request), f"score {request.path}", here)
    source = source.with_value(("scorers",), uses, "--metrics", here)
    sections = {"execution": request.execution, "media": request.media}
    options = {(name, key): value for name, section in sections.items() for key, value in section.items()}
    return validate_suite(with_named_scorers(with_options(source, options)))


def further_metrics(request: ScoreRequest) -> list[str]:
    """What more could be measured on the same media, a line for each thing that it would take."""
    if request.metrics:
        return []
    lines = []
    if not request.may_compare:
        lines.append(f"--reference PATH: {', '.join(WITH_REFERENCE)} against the media in PATH")
    absent = any(absent_assets(SCORERS.get(name).assets) for name in WITH_WEIGHTS)
    fetch = " (first: python -m nova_bench assets fetch vbench)" if absent else ""
    return [*lines, f"--metrics {','.join(WITH_WEIGHTS)}: VBench's quality dimensions{fetch}"]


def _media(request: ScoreRequest) -> dict[str, Any]:
    """The model section for the media. UserError if there are none, or if the options don't fit them."""
    path = request.path
    if not path.exists():
        raise UserError(f"{path}: no such file or folder", "name a video, an image, a folder of them, or a manifest")
    if path.is_file() and path.suffix.lower() not in (*MEDIA_SUFFIXES, *MANIFESTS):
        raise UserError(
            f"{path}: neither a video or image nor a manifest", f"known types: {' '.join(sorted(MEDIA_SUFFIXES))}"
        )
    section = model_section(str(path))
    if section["adapter"] != "files":
        raise UserError(
            f"{path}: a model, not media", f"to score what it makes: python -m nova_bench run vbench --model {path}"
        )
    frames = _frames_in(path)
    if request.fps is not None:
        if not (math.isfinite(request.fps) and request.fps > 0):
            raise UserError(f"--fps {request.fps:g}: not a frame rate", "give frames per second, such as 24")
        if not path.is_dir() or list_media(path, MEDIA_SUFFIXES - IMAGE_SUFFIXES).files:
            raise UserError(f"--fps: {path} holds videos, which have a frame rate", "leave out --fps")
        section |= {"layout": "frames", "fps": request.fps}
    elif frames:
        first, last = shorten(str(frames[0])), shorten(str(frames[-1]))
        raise UserError(
            f"{path}: its pictures are named like frames of a video ({first} to {last})",
            "give their rate: --fps 24; if each is a picture of its own: python -m nova_bench run clips --model PATH",
        )
    if request.reference is not None:
        section["references"] = str(_reference(request.reference, path))
    return section


def _frames_in(folder: Path) -> list[Path]:
    """The pictures of the first folder whose names look like a video's frames; empty if there is none."""
    if not folder.is_dir():
        return []
    by_folder: dict[Path, list[Path]] = {}
    for file in list_media(folder, MEDIA_SUFFIXES).files:
        by_folder.setdefault(file.parent, []).append(file)
    return next((frames for files in by_folder.values() if (frames := like_frames(files))), [])


def _reference(reference: Path, path: Path) -> Path:
    if path.suffix.lower() in MANIFESTS and not path.is_dir():
        raise UserError(f"--reference: {path} is a manifest", "write the references into its column reference")
    if not reference.exists():
        raise UserError(f"--reference {reference}: no such file or folder", "name what the media are compared with")
    if path.is_dir() != reference.is_dir():
        kinds = ("a folder", "a file") if path.is_dir() else ("a file", "a folder")
        raise UserError(
            f"--reference {reference}: {path} is {kinds[0]}, this is {kinds[1]}", f"compare it with {kinds[0]}"
        )
    return reference.resolve()
