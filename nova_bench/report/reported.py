"""The result of reporting any experiment: its tables and figures, its page, and what has no value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nova_bench.core.errors import ExitCode
from nova_bench.core.notices import Notice
from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.html.gallery import GalleryItem, GalleryMetric
from nova_bench.render.table import Table

LOST = "its run is no longer in the store: run the suite again"
"""The message for an arm of a study, or a part of a collection, if its run is gone."""


@dataclass(frozen=True)
class Reported:
    """What a report of a run shows and where it is.

    ``run`` is the run's id; ``gaps`` lists, one line each, what was requested but has no value; ``notices`` is what
    a reader must know about the values. ``values`` counts the measured values behind the report.
    """

    run: str
    tables: tuple[Table, ...]
    figures: tuple[FigureSpec, ...]
    gaps: tuple[str, ...]
    page: Path
    notices: tuple[Notice, ...] = ()
    values: int = 0
    headline: tuple[Table, ...] | None = None
    """The tables that a run prints, if not all of them."""
    reading: tuple[str, ...] = ()
    """How to read these, a line each."""
    facts: tuple[tuple[str, str], ...] = ()
    """(label, value) of its headline numbers."""
    gallery: tuple[GalleryItem, ...] = ()
    metrics: tuple[GalleryMetric, ...] = ()
    """The samples of its page, and what they are sorted by."""

    @property
    def exit_code(self) -> ExitCode:
        """PASS if everything that was requested has a value, else INCOMPLETE."""
        return ExitCode.PASS if not self.gaps else ExitCode.INCOMPLETE

    def with_kept(self, kept: Notice) -> Reported:
        """This report, but with an earlier one kept instead; ``kept`` is its first notice."""
        return replace(self, notices=(kept, *self.notices))
