"""A run's scores in the form of a benchmark's own results files."""

from __future__ import annotations

from collections.abc import Mapping

from nova_bench.pipeline.results import RunResults
from nova_bench.protocols.base import ResultRow, StatedResult
from nova_bench.store import Status


def stated_results(results: RunResults, paths: Mapping[str, str]) -> list[StatedResult]:
    """The metrics that have a value, with the samples behind it; ``paths`` maps a unit's digest to its video.

    A sample without a path has the name of its unit's prompt and index.
    """
    found = []
    for summary in results.summaries:
        if summary.value is None:
            continue
        rows = [
            ResultRow(
                path=paths.get(score.unit.digest, f"{score.unit.prompt}-{score.unit.sample_index}.mp4"),
                value=score.value,
                weight=score.scored.weight,
                details=score.scored.details,
            )
            for score in summary.samples
            if score.status == Status.OK
        ]
        found.append(StatedResult(summary.scorer.info.name, summary.value, tuple(rows)))
    return found
