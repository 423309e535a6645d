"""What the report of any experiment gives back: its tables and figures, its page, and what has no number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from nova_bench.core.errors import ExitCode
from nova_bench.core.notices import Notice
from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.table import Table

LOST = "its run is not in the store any more: run the suite again"
"""What a study says of an arm, and a collection of a part, whose run is gone."""


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
