"""From the store to tables, figures and the report page. Needs no model and no GPU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nova_bench.aggregate import collect, summarise
from nova_bench.atomic import write_atomic
from nova_bench.derive import derive
from nova_bench.errors import ExitCode
from nova_bench.manifest import read_manifest
from nova_bench.models.base import Unit
from nova_bench.notices import Notice
from nova_bench.paths import shortened
from nova_bench.plan import Plan, PlannedScorer
from nova_bench.progress import Progress
from nova_bench.protocols.catalog import DERIVED
from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.table import Table
from nova_bench.report.contact_sheets import contact_sheets, unreadable
from nova_bench.report.extremes import extremes_table
from nova_bench.report.failures import failures_csv
from nova_bench.report.figures import run_figures
from nova_bench.report.gallery import gallery_items, gallery_metrics
from nova_bench.report.naming import FAILURES, gaps, model_name, sample_gaps
from nova_bench.report.notices import notices_of, page_lines, write_notices
from nova_bench.report.places import Places
from nova_bench.report.richness import PAGE, kept_report
from nova_bench.report.sources import Sources
from nova_bench.report.tables import metrics_table, samples_csv, samples_table
from nova_bench.scorers.catalog import SCORERS
from nova_bench.selection import select
from nova_bench.spec import KeepSpec, ModelSpec, Suite
from nova_bench.store import Artifact, FailedUnit, Store
from nova_bench.store.store import StoredRun

LOST = "its run is not in the store any more: run the suite again"
"""What a study says of an arm, and a collection of a part, whose run is gone."""
# A table of single samples is readable up to here; beyond, `samples.csv` and the gallery have them.
SAMPLE_TABLE_ROWS = 24


@dataclass(frozen=True)
class Reported:
    """What a report of a run shows and where it lies.

    ``run`` is the run's id; ``gaps`` says in a line each what was asked for and has no number, ``notices`` what is to
    be known of what has one. ``values`` counts the measured values behind it.
    """

    run: str
    tables: tuple[Table, ...]
    figures: tuple[FigureSpec, ...]
    gaps: tuple[str, ...]
    page: Path
    notices: tuple[Notice, ...] = ()
    values: int = 0

    @property
    def exit_code(self) -> ExitCode:
        """PASS where everything that was asked for has its number, else INCOMPLETE."""
        return ExitCode.PASS if not self.gaps else ExitCode.INCOMPLETE

    def with_kept(self, kept: Notice) -> Reported:
        """The same where an earlier report is kept instead, which ``kept`` says first."""
        return replace(self, notices=(kept, *self.notices))


def plan_of(run: StoredRun) -> Plan:
    """The plan of a stored run. Only what reporting needs: the model section keeps adapter and label."""
    model = ModelSpec(adapter=run.suite["model"]["adapter"], label=run.suite["model"].get("label", ""))
    suite = Suite.model_validate({**run.suite, "model": model, "scorers": [{"name": s["name"]} for s in run.scorers]})
    scorers = []
    for stored in run.scorers:
        info = SCORERS.get(stored["name"])
        settings = info.settings.model_validate(stored["settings"])
        keep = KeepSpec(**stored["keep"]) if stored.get("keep") else None
        optional = stored.get("optional", False)
        scorers.append(PlannedScorer(info, settings, frozenset(stored["tags"]), stored["identity"], keep, optional))
    units = tuple(Unit(**{**unit, "tags": tuple(unit["tags"])}) for unit in run.units)
    return Plan(suite, units, tuple(scorers), run.run)


def report_benchmark(run: StoredRun, store: Store, folder: Path, progress: Progress) -> Reported:
    """Rebuild the report of a stored run."""
    return write_run_report(plan_of(run), store, folder, progress)


def write_run_report(plan: Plan, store: Store, folder: Path, progress: Progress) -> Reported:
    """Write `report/` into a run's folder: index.html, tables, figures, samples.csv, failures.csv (if any)."""
    from nova_bench.render.export import write_tables
    from nova_bench.render.figures import write_figure
    from nova_bench.render.html.report import Report, write_report

    places = Places(store.root, plan.units)
    artifacts = places.artifacts(store.recorded_artifacts(unit.digest for unit in plan.units))
    sources = Sources(store, plan.suite.media, places)
    rows = places.rows(store.rows((scorer.identity for scorer in plan.scorers), details=True))
    samples = [collect(plan.units, scorer, artifacts, rows) for scorer in plan.scorers]
    summaries = summarise(*select(plan.scorers, samples), plan.suite.statistics)
    final = derive([DERIVED.get(name) for name in plan.suite.derived], summaries, plan.suite.statistics, DERIVED.all())
    tables = [metrics_table(plan, summaries, final)] if plan.scorers or plan.suite.published else []
    if plan.scorers and len(plan.units) <= SAMPLE_TABLE_ROWS:
        tables.append(samples_table(plan, summaries))
    elif (extremes := extremes_table(summaries)).rows:
        tables.append(extremes)
    sheets = contact_sheets(plan, artifacts, sources)
    figures = [*(run_figures(plan, summaries, final) if summaries else ()), *sheets]
    out = folder / "report"
    gallery = tuple(gallery_items(plan, summaries, artifacts, sources, progress))
    notices = [
        *places.notices(notices_of(plan, summaries, store)),
        *sources.notices(plan.units, artifacts),
    ]
    missing = gaps(summaries) if plan.scorers else [*sample_gaps(plan.units, artifacts), *unreadable(sheets)]
    report = Report(
        title=plan.suite.title,
        subtitle=model_name(plan),
        facts=_facts(plan, artifacts),
        summary=(plan.suite.description,) if plan.suite.description else (),
        warnings=tuple(missing),
        notices=page_lines(notices),
        tables=tuple(tables),
        figures=tuple(figures),
        gallery=gallery,
        samples=len(plan.units),
        values=sum(summary.n_ok for summary in summaries),
        metrics=gallery_metrics(summaries),
        provenance=_provenance(plan, folder),
    )
    reported = Reported(
        plan.run_id, report.tables, report.figures, report.warnings, out / PAGE, tuple(notices), report.values
    )
    if kept := kept_report(out, report, plan.run_name):
        return reported.with_kept(kept)
    write_tables(tables, out / "tables")
    for figure in figures:
        write_figure(figure, out / "figures")
    write_atomic(out / "samples.csv", samples_csv(summaries, artifacts, places).encode())
    if failed := failures_csv(plan.units, summaries, artifacts, places):
        write_atomic(out / FAILURES, failed.encode())
    else:
        (out / FAILURES).unlink(missing_ok=True)
    write_notices(notices, out)
    write_report(report, out / PAGE, media_budget=plan.suite.report.embed_megabytes * 2**20)
    return reported


def _provenance(plan: Plan, folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {"suite": plan.suite.name, "run": plan.run_id[:12], "seed": plan.suite.seed}
    facts |= last_invocation(folder)
    facts["scorers"] = "; ".join(f"{s.info.name} {s.info.version} ({s.info.source})" for s in plan.scorers)
    return facts


def last_invocation(folder: Path) -> dict[str, Any]:
    """When, where and by what the run in ``folder`` was given last, for the page; empty without a manifest."""
    invocations = read_manifest(folder).get("invocations")
    if not invocations:
        return {}
    last = invocations[-1]
    git = last.get("git") or {}
    revision = git.get("revision", "not under git")[:12] + (" (with local changes)" if git.get("dirty") else "")
    return {
        "date": last["ended"],
        "device": ", ".join(f"{key} {value}" for key, value in last["device"].items()),
        "nova_bench": last["nova_bench"],
        "revision": revision,
        "python": last["python"],
        "torch": last["packages"].get("torch"),
        "command": " ".join(map(shortened, last["command"])),
    }


def _facts(plan: Plan, artifacts: dict[str, Artifact | FailedUnit]) -> tuple[tuple[str, str], ...]:
    there = sum(isinstance(artifact, Artifact) for artifact in artifacts.values())
    return (
        ("samples", str(there) if there == len(plan.units) else f"{there} of {len(plan.units)}"),
        ("prompts", str(len({unit.prompt_id for unit in plan.units}))),
        ("metrics", str(len(plan.scorers))),
    )
