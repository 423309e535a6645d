"""What the report of any experiment gives back: its tables and figures, its page, and what has no number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nova_bench.core.errors import ExitCode
from nova_bench.core.notices import Notice
from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.table import Table


@dataclass(frozen=True)
class Reported:
    """What a report of a run shows and where it lies.

    ``run`` is the run's id; ``gaps`` says in a line each what was asked for and has no number, ``notices`` what is to
    be known of what has one.
    """

    run: str
    tables: tuple[Table, ...]
    figures: tuple[FigureSpec, ...]
    gaps: tuple[str, ...]
    page: Path
    notices: tuple[Notice, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """PASS where everything that was asked for has its number, else INCOMPLETE."""
        return ExitCode.PASS if not self.gaps else ExitCode.INCOMPLETE
