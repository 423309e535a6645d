"""What a run measured, for notebooks and programs."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import StoreError, UserError
from nova_bench.experiments.registry import BENCHMARK, frame_run
from nova_bench.pipeline.record import plan_of
from nova_bench.pipeline.results import read_results
from nova_bench.render.figures import draw
from nova_bench.report.figures import run_figures
from nova_bench.report.reported import Reported
from nova_bench.report.writing import FOLDER
from nova_bench.store import Store

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

    import pandas
    from matplotlib.figure import Figure

FIRST = ("metrics", "study", "inference_time")
"""The table that :meth:`Results.summary` shows by default: the first of these that a run has."""


@dataclass(frozen=True)
class Results:
    """The results of a run in a store."""

    name: str
    """The run's name, such as ``vbench-abc123``."""
    store: Path
    incomplete: tuple[str, ...] = ()
    """What was asked for but has no value, a line each; empty for a run that was loaded."""
    _kept: TemporaryDirectory[str] | None = None

    @classmethod
    def of(cls, reported: Reported, store: Path, kept: TemporaryDirectory[str] | None = None) -> Results:
        """The results of a run that just ended. ``kept`` is the temporary folder that holds them, if any."""
        return cls(reported.page.parents[1].name, store, reported.gaps, kept)

    @property
    def page(self) -> Path:
        """The report's page."""
        return self.store / self.name / FOLDER / "index.html"

    def to_frame(self) -> pandas.DataFrame:
        """One row per sample and metric, or per timed call. Rows of a study name their arm, of a collection the part.

        StoreError if the run is not there.
        """
        with Store.reader(self.store) as opened:
            return frame_run(opened.run(self.name), opened)

    def summary(self, table: str = "") -> pandas.DataFrame:
        """A table of the report, by default that of the metrics: the titles of its columns, and numbers as they are.

        Values with an interval get the columns ``low`` and ``high``, those of samples ``n``. UserError for a table that
        the report doesn't have.
        """
        import pandas

        known = {path.stem: path for path in sorted((self.page.parent / "tables").rglob("*.json"))}
        if not known:
            raise StoreError(f"run {self.name}: no report", f"python -m nova_bench report {self.name}")
        name = table or next((first for first in FIRST if first in known), next(iter(known)))
        if name not in known:
            raise UserError(f"run {self.name}: no table {name!r}", f"one of: {', '.join(known)}")
        document = json.loads(known[name].read_text(encoding="utf-8"))
        return pandas.DataFrame(list(map(_record, document["rows"], [document["columns"]] * len(document["rows"]))))

    def plot(self) -> Figure:
        """The metrics with their intervals, beside published numbers. UserError for what is no benchmark."""
        with Store.reader(self.store) as opened:
            run = opened.run(self.name)
            kind = run.suite.get("kind", BENCHMARK)
            if kind != BENCHMARK:
                raise UserError(f"run {self.name}: a {kind}", f"its figures are in {self.page.parent / 'figures'}")
            results = read_results(plan_of(run), opened)
            return _shown_in_notebooks(draw(run_figures(results.plan, results.summaries, results.final)[0]))

    def _repr_html_(self) -> str:
        return self.summary().to_html(index=False, na_rep="–", float_format="{:.4g}".format)


def _shown_in_notebooks(figure: Figure) -> Figure:
    """A figure that a notebook shows if a cell ends with it; Matplotlib does that only for pyplot's."""

    def png() -> bytes:
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=150)
        return stream.getvalue()

    vars(figure)["_repr_png_"] = png
    return figure


def _record(row: dict[str, Any], columns: list[dict[str, Any]]) -> dict[str, Any]:
    """A row of a table: a value for each column that has cells of its own."""
    record: dict[str, Any] = {}
    for column in columns:
        cell = row["cells"].get(column["key"])
        if column.get("of") or cell is None:
            continue
        record[column["title"]] = cell.get("value")
        if "ci" in cell or "n_ok" in cell:
            record |= dict(zip(("low", "high"), cell.get("ci") or (None, None), strict=True))
        record |= {name: cell[key] for name, key in (("n", "n_ok"), ("unit", "unit")) if cell.get(key) is not None}
    return record
