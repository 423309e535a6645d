"""The report of a benchmark, from the store. Needs no model and no GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.identity import SEED_RULE
from nova_bench.core.progress import Progress
from nova_bench.pipeline.plan import Plan
from nova_bench.pipeline.record import plan_of
from nova_bench.pipeline.results import read_results
from nova_bench.render.grid import format_number
from nova_bench.render.html.report import Report
from nova_bench.report.answers import judges_of
from nova_bench.report.categories import categories_table
from nova_bench.report.contact_sheets import contact_sheets, unreadable
from nova_bench.report.disagreement import FILE, disagreement_tables, disagreements_csv
from nova_bench.report.extremes import extremes_table
from nova_bench.report.failures import failures_csv
from nova_bench.report.figures import run_figures
from nova_bench.report.final_scores import final_scores_table
from nova_bench.report.gallery import gallery_items, gallery_metrics
from nova_bench.report.judge_accuracy import judge_accuracy_tables
from nova_bench.report.judges import judges_table
from nova_bench.report.leaderboard import leaderboard
from nova_bench.report.leaderboard_rows import RankedRun
from nova_bench.report.naming import FAILURES, gaps, interval_name, model_name, sample_gaps
from nova_bench.report.notices import notices_of
from nova_bench.report.protocol import protocol
from nova_bench.report.provenance import last_invocation
from nova_bench.report.question_trees import question_trees
from nova_bench.report.reported import Reported
from nova_bench.report.sources import Sources
from nova_bench.report.spread import spread_table
from nova_bench.report.tables import metrics_table, samples_csv, samples_table
from nova_bench.report.thresholds import thresholds_table
from nova_bench.report.unclear_answers import UNCLEAR, unclear_answers, unclear_answers_csv
from nova_bench.report.uncounted import uncounted_table
from nova_bench.report.writing import FOLDER, Content, write_content
from nova_bench.store import Artifact, FailedUnit, Store
from nova_bench.store.store import StoredRun

if TYPE_CHECKING:
    from nova_bench.pipeline.aggregate import MetricSummary
    from nova_bench.pipeline.composite import CompositeSummary
    from nova_bench.render.figure_spec import FigureSpec
    from nova_bench.render.table import Table

# A longer table of samples is hard to read; `samples.csv` and the gallery have them all.
SAMPLE_TABLE_ROWS = 24


SEEDS_SHOWN = 5
FACTS = 4


def report_benchmark(run: StoredRun, store: Store, folder: Path, progress: Progress) -> Reported:
    """Rebuild the report of a stored run."""
    return write_run_report(plan_of(run), store, folder, progress)


def write_run_report(plan: Plan, store: Store, folder: Path, progress: Progress) -> Reported:
    """Write the report into a run's folder, with samples.csv and failures.csv (if any)."""
    results = read_results(plan, store)
    plan = results.plan
    places, artifacts, summaries, final = results.places, results.artifacts, results.summaries, results.final
    sources = Sources(store, plan.suite.media, places).copy_into(folder / FOLDER)
    tables: list[Table] = []
    figures: list[FigureSpec] = []
    if board := plan.suite.leaderboard:
        tables, figures = leaderboard(board, [RankedRun.of(plan, summaries, results.categories)])
    tables += [metrics_table(plan, summaries, final)] if plan.scorers or plan.suite.published else []
    more = (
        final_scores_table(summaries, final),
        thresholds_table(final, interval_name(plan)),
        categories_table(results.categories, plan.suite.statistics),
        spread_table([summary for summary in summaries if summary.scorer.info.breakdown]),
        judges_table(summaries, folder),
        *disagreement_tables(summaries, plan.suite.statistics),
        *judge_accuracy_tables(summaries, plan.suite.statistics),
        uncounted_table(summaries),
    )
    tables += [table for table in more if table]
    if plan.scorers and len(plan.units) <= SAMPLE_TABLE_ROWS:
        tables.append(samples_table(plan, summaries))
    elif (extremes := extremes_table(summaries)).rows:
        tables.append(extremes)
    sheets = contact_sheets(plan, artifacts, sources)
    figures += [*(run_figures(plan, summaries, final) if summaries else ()), *sheets]
    trees, trees_note = question_trees(plan, summaries, artifacts, sources, progress)
    gallery = tuple(gallery_items(plan, summaries, artifacts, sources, progress))
    notices = [
        *places.notices(notices_of(plan, summaries, store)),
        *sources.notices(plan.units, artifacts),
    ]
    missing = (
        gaps(summaries, plan.suite.name) if plan.scorers else [*sample_gaps(plan.units, artifacts), *unreadable(sheets)]
    )
    missing += unclear_answers(summaries, f"report/{UNCLEAR}")
    page = Report(
        title=plan.suite.title,
        subtitle=model_name(plan),
        facts=tuple(_facts(plan, artifacts, summaries, final)),
        summary=(plan.suite.description,) if plan.suite.description else (),
        protocol=tuple(protocol(plan, last_invocation(folder))),
        warnings=tuple(missing),
        tables=tuple(tables),
        figures=tuple(figures),
        gallery=gallery,
        samples=len(plan.units),
        values=sum(summary.n_ok for summary in summaries),
        metrics=gallery_metrics(summaries),
        trees=trees,
        trees_note=trees_note,
        provenance=_provenance(plan, summaries, folder),
    )
    files = {
        "samples.csv": samples_csv(summaries, artifacts, places),
        FAILURES: failures_csv(plan.units, summaries, artifacts, places),
        FILE: disagreements_csv(summaries),
        UNCLEAR: unclear_answers_csv(summaries),
    }
    shown = plan.suite.report
    budget, formats = shown.embed_megabytes * 2**20, shown.figure_formats
    return write_content(Content(plan.run_id, plan.run_name, page, missing, notices, files, budget, formats), folder)


def _provenance(plan: Plan, summaries: Sequence[MetricSummary], folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {"suite": plan.suite.name, "run": plan.run_id[:12], "seed": plan.suite.seed}
    facts["seeds"] = _seeds(plan)
    if judges := judges_of(summaries):
        facts["judge"] = ", ".join(judges)
    facts |= last_invocation(folder)
    facts["scorers"] = "; ".join(f"{s.info.name} {s.info.version} ({s.info.source})" for s in plan.scorers)
    return facts


def _seeds(plan: Plan) -> str:
    """How the samples' seeds come about, with those of the first prompt."""
    if any(unit.source for unit in plan.units):
        return "not known: the samples are files from elsewhere"
    first = [unit for unit in plan.units if unit.prompt_id == plan.units[0].prompt_id][:SEEDS_SHOWN]
    listed = ", ".join(str(unit.seed) for unit in first)
    return f"from {SEED_RULE}; of the first prompt's samples: {listed}"


def _facts(
    plan: Plan,
    artifacts: Mapping[str, Artifact | FailedUnit],
    summaries: Sequence[MetricSummary],
    final: Sequence[CompositeSummary],
) -> Iterator[tuple[str, str]]:
    """The final scores that have a value, the highest first, or else the first metrics; and the number of samples."""
    scores = [(score.metric, score.value) for score in reversed(final) if score.value is not None]
    metrics = [(summary.scorer.info, summary.value) for summary in summaries if summary.value is not None]
    for info, value in (scores or metrics)[:FACTS]:
        unit = f" {info.unit}" if info.unit else ""
        yield info.name, f"{format_number(value, info.digits)}{unit}"
    there = sum(unit.imported or isinstance(artifacts.get(unit.digest), Artifact) for unit in plan.units)
    yield "samples", f"{there:,}" if there == len(plan.units) else f"{there:,} of {len(plan.units):,}"
