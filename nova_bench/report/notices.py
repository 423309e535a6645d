"""What a report says about a run besides its numbers: the run's notices, and the notes of its rows grouped by text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nova_bench.config.units import Unit
from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.notices import Notice, notices_csv, of_samples
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.pipeline.plan import Plan
from nova_bench.report.filtered import too_few_notices
from nova_bench.report.naming import sample_name
from nova_bench.store import Store

FILE = "notices.csv"
SHOWN_ON_TERMINAL = 6
SHOWN_ON_PAGE = 60
NOTES = "notes"
"""Key of the notes in a row's details."""


def notices_of(plan: Plan, summaries: Sequence[MetricSummary], store: Store) -> list[Notice]:
    """All notices of a run from the store: its own, those of its filters, then those from its rows' notes."""
    texts: dict[str, dict[str, str]] = {}
    for summary in summaries:
        for score in summary.samples:
            for text in score.row.details.get(NOTES, ()) if score.row else ():
                texts.setdefault(text, {})[score.unit.digest] = _name(score.unit)
    of_rows = of_samples({text: list(names.values()) for text, names in texts.items()})
    return [*store.notices(plan.run_id), *too_few_notices(plan, summaries), *of_rows]


def _name(unit: Unit) -> str:
    return Path(unit.source).name if unit.source else sample_name(unit)


def write_notices(notices: Sequence[Notice], out: Path) -> None:
    """Write the notices to the report's folder ``out``; if there are none, remove those of an earlier report."""
    if notices:
        write_atomic(out / FILE, notices_csv(notices).encode())
    else:
        (out / FILE).unlink(missing_ok=True)


def page_lines(notices: Sequence[Notice]) -> tuple[str, ...]:
    """The notices as lines of the page."""
    return _first([notice.line for notice in notices], SHOWN_ON_PAGE, FILE)


def terminal_lines(notices: Sequence[Notice], told: Callable[[str], bool]) -> tuple[str, ...]:
    """A line for each notice that the terminal hasn't shown yet; only the first of many."""
    lines = [notice.line for notice in notices if not told(notice.said or notice.text)]
    return _first(lines, SHOWN_ON_TERMINAL, f"report/{FILE}")


def _first(lines: list[str], count: int, file: str) -> tuple[str, ...]:
    more = len(lines) - count
    return (*lines[:count], *([f"and {more} more kinds of notes: see {file}"] if more > 0 else []))
