"""What a run of a study would do, arm by arm. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nova_bench.core.errors import StoreError, UserError
from nova_bench.core.progress import Progress
from nova_bench.core.visible_text import visible_line
from nova_bench.experiments.base import Request
from nova_bench.experiments.study.load import load_study
from nova_bench.pipeline.preview import Preview, duration, preview_suite
from nova_bench.pipeline.run_time import Device


@dataclass(frozen=True)
class StudyPreview:
    """The arms' previews by label, or the error that prevents one."""

    name: str
    arms: tuple[tuple[str, Preview | UserError], ...]
    trainings: int = 0
    """Number of arms of which only the training is shown."""

    @property
    def _planned(self) -> list[Preview]:
        return [preview for _, preview in self.arms if isinstance(preview, Preview)]

    @property
    def missing_assets(self) -> tuple[str, ...]:
        """What any arm lacks, each thing once."""
        lines: dict[str, None] = {}
        for label, preview in self.arms:
            found = preview.missing_assets if isinstance(preview, Preview) else [f"{label}: {preview}"]
            lines |= dict.fromkeys(found)
        return tuple(lines)

    @property
    def summary(self) -> str:
        """How much there is to do, in a few words."""
        if self.trainings:
            return f"{self.trainings} trainings to show, nothing to measure"
        samples = sum(len(preview.plan.units) for preview in self._planned)
        return f"{len(self.arms)} arms, {samples} samples"

    def seconds_left(self, device: Device) -> float:
        """Of all arms."""
        return sum(preview.seconds_left(device) for preview in self._planned)

    def text(self) -> str:
        """For display: one line per arm, then totals."""
        from tabulate import tabulate

        if self.trainings:
            return f"study {self.name}: {self.summary}"
        rows = [_row(label, preview) for label, preview in self.arms]
        known = [preview.seconds for preview in self._planned if preview.seconds is not None]
        total = sum(known) if len(known) == len(self._planned) else None
        sums = [sum(row[column] for row in rows if row[column] != "") for column in range(1, 5)]
        headers = ["arm", "samples done", "missing", "scores done", "missing", "time left"]
        lines = [
            f"study {self.name}: {self.summary}",
            "",
            tabulate([*rows, ["all", *sums, duration(total)]], headers),
            "",
            *([f"missing: {visible_line(line)}" for line in self.missing_assets] or ["assets: none missing"]),
        ]
        if total is None:
            lines.append("time: unknown for entries with ?, until a run has timed them (try --limit)")
        return "\n".join(lines)


def _row(label: str, preview: Preview | UserError) -> list[Any]:
    if isinstance(preview, UserError):
        return [label, "", "", "", "", ""]
    done, missing = (sum(getattr(s, what) for s in preview.scorers) for what in ("done", "missing"))
    return [label, preview.units_done, preview.units_missing, done, missing, duration(preview.seconds)]


def preview_study(request: Request, progress: Progress) -> StudyPreview:
    """Plan every arm. Raises UserError if none can be planned."""
    loaded = load_study(request)
    if loaded.study.trainings_only:
        return StudyPreview(loaded.study.name, (), len(loaded.study.arms))
    arms: list[tuple[str, Preview | UserError]] = []
    for arm, suite in zip(loaded.study.arms, loaded.suites, strict=True):
        try:
            arms.append((arm.label, preview_suite(suite, request.store, request.limit, progress)))
        except StoreError:
            raise
        except UserError as error:
            arms.append((arm.label, error))
    errors = [found for _, found in arms if isinstance(found, UserError)]
    if len(errors) == len(arms):
        raise errors[0]
    return StudyPreview(loaded.study.name, tuple(arms))
