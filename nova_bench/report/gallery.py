"""Samples for the gallery: failures first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_bench.config.units import Unit
from nova_bench.core.progress import Progress
from nova_bench.pipeline.aggregate import MetricSummary, SampleScore
from nova_bench.pipeline.plan import Plan
from nova_bench.render.html.gallery import GalleryItem, GalleryMetric
from nova_bench.report.extremes import ends, why, worst
from nova_bench.report.naming import by_unit, problem_of
from nova_bench.report.sources import Sources
from nova_bench.store import Artifact, FailedUnit, Row, Status


def gallery_items(
    plan: Plan,
    summaries: Sequence[MetricSummary],
    artifacts: dict[str, Artifact | FailedUnit],
    sources: Sources,
    progress: Progress,
) -> list[GalleryItem]:
    """Failures first, then both ends of each metric, then samples in plan order, up to the suite's limit.

    The worst samples of each metric, which the page can show, are included whatever the limit, unless it is 0.
    """
    table = by_unit(summaries)
    failed = {unit for unit, scores in table.items() if any(s.status == Status.FAILED for s in scores.values())}
    failed |= {unit for unit, artifact in artifacts.items() if isinstance(artifact, FailedUnit)}
    telling = {score.unit.digest for summary in summaries for end in ends(summary) for score in end}
    by_interest = sorted(plan.units, key=lambda unit: (unit.digest not in failed, unit.digest not in telling))
    limit = plan.suite.report.gallery
    lowest = {score.unit.digest for summary in summaries for score in worst([summary])} if limit else set()
    units = by_interest[:limit] + [unit for unit in by_interest[limit:] if unit.digest in lowest]
    items = []
    with progress.stage("gallery", len(units)) as advance:
        for unit in units:
            scores, artifact = table.get(unit.digest, {}), artifacts.get(unit.digest)
            items.append(gallery_item(unit, scores, artifact, sources, scored=bool(plan.scorers)))
            advance(1)
    return items


def gallery_item(
    unit: Unit,
    scores: Mapping[str, SampleScore],
    artifact: Artifact | FailedUnit | None,
    sources: Sources,
    *labels: str,
    scored: bool = True,
) -> GalleryItem:
    """One sample with its scores by metric; ``labels`` come before its tags.

    ``scored`` is False if nothing is scored: then a sample that exists is complete.
    """
    made = isinstance(artifact, Artifact)
    problems = dict.fromkeys(problem_of(score) for score in scores.values() if score.status == Status.FAILED)
    if isinstance(artifact, FailedUnit):
        problems.setdefault(artifact.error)
    ok = {name: score.scored for name, score in scores.items() if score.status == Status.OK}
    return GalleryItem(
        prompt=unit.prompt,
        sample_index=unit.sample_index,
        status="failed" if problems else "ok" if ok or (made and not scored) else "skipped",
        error="; ".join(problems),
        scores={name: row.value for name, row in ok.items()},
        details={name: series for name, row in ok.items() if (series := _series(row))},
        limits={name: row.details["threshold"] for name, row in ok.items() if "threshold" in row.details},
        notes={name: why(row.details) for name, row in ok.items()},
        media=sources.shown(artifact),
        poster=sources.poster(artifact),
        reference=sources.shown(sources.reference(unit)),
        labels=(*labels, *unit.tags),
        key=unit.digest[:12],
    )


def gallery_metrics(summaries: Sequence[MetricSummary]) -> tuple[GalleryMetric, ...]:
    """What the gallery can sort by."""
    infos = [summary.scorer.info for summary in summaries]
    return tuple(
        GalleryMetric(info.name, unit=info.unit, higher_is_better=info.higher_is_better, digits=info.digits)
        for info in infos
    )


def _series(row: Row) -> list[float]:
    """The first per-frame or per-pair series among a row's details."""
    for value in row.details.values():
        if isinstance(value, list) and len(value) > 1 and all(isinstance(item, int | float) for item in value):
            return value
    return []
