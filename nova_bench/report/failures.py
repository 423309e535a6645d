"""Every sample that failed, as CSV: the error, its stage, and what to do."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from nova_bench.config.units import Unit
from nova_bench.core.visible_text import visible
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.pipeline.places import Places
from nova_bench.report.naming import sample_file
from nova_bench.store import Artifact, FailedUnit, Status

COLUMNS = ("sample", "prompt", "sample_index", "file", "stage", "scorer", "message", "remedy")


def failures_csv(
    units: Sequence[Unit],
    summaries: Sequence[MetricSummary],
    artifacts: Mapping[str, Artifact | FailedUnit],
    places: Places,
) -> str:
    """One line per sample and error, with all affected scorers (separated by `;`); empty if nothing failed.

    Paths of files inside the store are relative to it.
    """
    scorers: dict[tuple[str, ...], list[str]] = {}
    for unit, scorer, stage, message, remedy in _failures(units, summaries, artifacts):
        file = sample_file(unit, artifacts.get(unit.digest), places)
        message = message.removesuffix(f" ({remedy})")
        key = (unit.digest[:12], unit.prompt, str(unit.sample_index), file, stage, message, remedy)
        scorers.setdefault(key, []).extend([scorer] if scorer else [])
    if not scorers:
        return ""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for (*sample, stage, message, remedy), names in scorers.items():
        writer.writerow([*sample, stage, ";".join(names), message, remedy])
    return visible(stream.getvalue())


def _failures(
    units: Sequence[Unit], summaries: Sequence[MetricSummary], artifacts: Mapping[str, Artifact | FailedUnit]
) -> Iterator[tuple[Unit, str, str, str, str]]:
    """(unit, scorer, stage, message, remedy) of each failure."""
    for unit in units:
        found = artifacts.get(unit.digest)
        if isinstance(found, FailedUnit):
            yield unit, "", "generate", found.error, found.details.get("remedy", "")
    for summary in summaries:
        for score in summary.samples:
            if score.row is not None and score.status == Status.FAILED:
                details = score.row.details
                stage, remedy = details.get("stage", "score"), details.get("remedy", "")
                yield score.unit, summary.scorer.info.name, stage, score.row.message, remedy
