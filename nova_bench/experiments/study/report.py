"""A study's joint report, from the store. Needs no model and no GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.config.units import Unit
from nova_bench.core.notices import Notice, labelled
from nova_bench.core.progress import Progress
from nova_bench.experiments.frame_rows import SAMPLES, frame_csv
from nova_bench.experiments.study.conclusion import conclude
from nova_bench.experiments.study.figures import study_figures
from nova_bench.experiments.study.frame import study_frame
from nova_bench.experiments.study.parts import added_parts
from nova_bench.experiments.study.record import StudyRecord
from nova_bench.experiments.study.results import ArmResult, StudyResults, results_of
from nova_bench.experiments.study.tables import metrics_table, study_gaps
from nova_bench.pipeline.manifest import read_manifest
from nova_bench.pipeline.places import Places
from nova_bench.render.html.report import Link, Report
from nova_bench.report.extremes import worst
from nova_bench.report.gallery import gallery_item, gallery_metrics
from nova_bench.report.leaderboard import leaderboard
from nova_bench.report.leaderboard_rows import RankedRun
from nova_bench.report.naming import by_unit
from nova_bench.report.notices import notices_of
from nova_bench.report.provenance import device_text
from nova_bench.report.reported import Reported
from nova_bench.report.sources import Sources
from nova_bench.report.writing import FOLDER, Content, write_content
from nova_bench.store import Artifact, Store
from nova_bench.store.store import StoredRun

if TYPE_CHECKING:
    from nova_bench.pipeline.aggregate import SampleScore
    from nova_bench.render.figure_spec import FigureSpec
    from nova_bench.render.html.gallery import GalleryItem
    from nova_bench.render.table import Table


def report_study(run: StoredRun, store: Store, folder: Path, progress: Progress) -> Reported:
    """Rebuild the report of a stored study."""
    return write_study_report(StudyRecord.model_validate(run.suite), store, folder, progress)


def write_study_report(record: StudyRecord, store: Store, folder: Path, progress: Progress) -> Reported:
    """Write the joint report into a study's folder."""
    results = results_of(record, store)
    assert results.sources is not None, "results_of gives the arms' files"
    sources = results.sources.copy_into(folder / FOLDER)
    tables, figures = added_parts(results)
    if any(arm.plan is not None or arm.record.problem for arm in results.arms):
        tables, figures = [metrics_table(results), *tables], [*figures, *study_figures(results)]
    board_tables, board_figures = _leaderboard(results)
    tables, figures = [*board_tables, *tables], [*board_figures, *figures]
    missing = study_gaps(results)
    notices = _notices(results, store, sources)
    measured = [arm for arm in results.arms if arm.plan is not None]
    page = Report(
        title=record.title,
        subtitle=", ".join(setting.label for setting in results.settings),
        facts=_facts(results),
        summary=tuple(filter(None, (_conclusion(record, tables), record.description))),
        warnings=tuple(missing),
        tables=tuple(tables),
        figures=tuple(figures),
        links=tuple(Link(arm.record.label, _page_of(arm, store)) for arm in measured),
        gallery=tuple(_gallery(results, sources, progress)),
        samples=sum(len(arm.measured_plan.units) for arm in measured),
        values=_values(results),
        metrics=tuple({metric.key: metric for arm in measured for metric in gallery_metrics(arm.summaries)}.values()),
        provenance=dict(_provenance(results, store)),
    )
    budget = record.report.embed_megabytes * 2**20
    formats = record.report.figure_formats
    return write_content(
        Content(
            *(record.run_id, record.run_name, page, missing, notices),
            files={SAMPLES: frame_csv(study_frame(record.stored(), store))},
            media_budget=budget,
            figure_formats=formats,
        ),
        folder,
    )


def _conclusion(record: StudyRecord, tables: Sequence[Table]) -> str:
    sentence = conclude(record.conclusion, tables) if record.conclusion else ""
    return f"{sentence}." if sentence else ""


def _leaderboard(results: StudyResults) -> tuple[list[Table], list[FigureSpec]]:
    """The benchmark's own table with a row for each arm; nothing if the arms' suites have none."""
    measured = [arm for arm in results.arms if arm.plan is not None]
    spec = next((board for arm in measured if (board := arm.measured_plan.suite.leaderboard)), None)
    if spec is None:
        return [], []
    runs = [RankedRun(arm.record.label, arm.measured_plan, arm.summaries, arm.categories) for arm in measured]
    return leaderboard(spec, runs)


def _values(results: StudyResults) -> int:
    """How many values its arms have: scores of samples, and trainings with a record."""
    scores = sum(summary.n_ok for arm in results.arms for summary in arm.summaries)
    return scores + sum(arm.record.training is not None for arm in results.arms)


def _notices(results: StudyResults, store: Store, sources: Sources) -> list[Notice]:
    measured = [arm for arm in results.arms if arm.plan is not None]
    return labelled(
        {
            arm.record.label: [
                *Places(store.root, arm.measured_plan.units).notices(
                    notices_of(arm.measured_plan, arm.summaries, store)
                ),
                *sources.notices(arm.measured_plan.units, arm.artifacts),
            ]
            for arm in measured
        }
    )


def _page_of(arm: ArmResult, store: Store) -> Path:
    return store.root / arm.measured_plan.run_name / "report" / "index.html"


def _gallery(results: StudyResults, sources: Sources, progress: Progress) -> list[GalleryItem]:
    """The same sample of all arms side by side: prompt after prompt, arm after arm, up to the base's limit.

    Then the worst samples of each metric, which the page can show, unless they are among these.
    """
    measured = [(arm, by_unit(arm.summaries)) for arm in results.arms if arm.plan is not None]
    samples: dict[tuple[int, int], list[tuple[ArmResult, dict, Unit]]] = {}
    for arm, scores in measured:
        for unit in arm.measured_plan.units:
            samples.setdefault((results.prompts[unit.prompt_id], unit.sample_index), []).append((arm, scores, unit))
    limit = results.record.report.gallery
    count = limit // max(1, len(measured))
    lowest = {id(score.row) for name in results.metrics for score in _worst(results, name)} if limit else set()
    order = sorted(samples)
    shown = [samples[key] for key in order[:count]]
    for key in order[count:]:
        told = [
            (arm, scores, unit)
            for arm, scores, unit in samples[key]
            if any(id(score.row) in lowest for score in scores.get(unit.digest, {}).values())
        ]
        shown += [told] if told else []
    items = []
    with progress.stage("gallery", len(shown)) as advance:
        for beside in shown:
            for arm, scores, unit in beside:
                scored = scores.get(unit.digest, {})
                made, label = arm.artifacts.get(unit.digest), arm.record.label
                items.append(gallery_item(unit, scored, made, sources, label, scored=bool(arm.measured_plan.scorers)))
            advance(1)
    return items


def _worst(results: StudyResults, metric: str) -> list[SampleScore]:
    return worst(summary for arm in results.arms if (summary := arm.summary(metric)) is not None)


def _facts(results: StudyResults) -> tuple[tuple[str, str], ...]:
    measured = sum(arm.plan is not None for arm in results.arms)
    made = sum(isinstance(found, Artifact) for arm in results.arms for found in (arm.artifacts or {}).values())
    return (
        ("arms", str(measured) if measured == len(results.arms) else f"{measured} of {len(results.arms)}"),
        ("samples", str(made)),
        ("prompts", str(len(results.prompts))),
        ("metrics", str(len(results.metrics))),
    )


def _provenance(results: StudyResults, store: Store) -> Iterator[tuple[str, Any]]:
    yield "study", results.record.run_name
    for arm in results.arms:
        if arm.plan is None:
            yield arm.record.label, "not computed"
            continue
        manifest = read_manifest(store.root / arm.plan.run_name)
        facts = {"run": arm.plan.run_name, "seed": arm.plan.suite.seed, "model": manifest.get("model_digest", "")[:12]}
        if invocations := manifest.get("invocations"):
            last = invocations[-1]
            facts |= {"date": last["ended"], "device": device_text(last["device"]), "nova_bench": last["nova_bench"]}
        yield arm.record.label, facts
