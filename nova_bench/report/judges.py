"""Who judged: a run's judges by name, with version, weights and what they were asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nova_bench.assets import asset_digest
from nova_bench.config.catalog import JUDGES
from nova_bench.core.judge_names import judge_label
from nova_bench.pipeline.aggregate import MetricSummary
from nova_bench.pipeline.manifest import read_manifest
from nova_bench.render.table import Cell, Column, Row, Table
from nova_bench.report.answers import judges_of

_DIGITS = 12


def judges_table(summaries: Sequence[MetricSummary], folder: Path) -> Table | None:
    """One row per judge that answered; None without one. Digests are those of the run in ``folder``."""
    known = read_manifest(folder).get("assets", {})
    rows = []
    for judge, summary in judges_of(summaries).items():
        info = JUDGES.get(judge.partition(":")[0])
        digests = {
            judge_label(name): known.get(name, {}).get("sha256") or asset_digest(name)
            for name in summary.scorer.info.assets
        }
        cells = {
            "judge": Cell(judge),
            "version": Cell(info.version),
            "weights": Cell(", ".join(f"{name} {digest[:_DIGITS]}" for name, digest in digests.items()) or "none"),
            "asked": Cell(info.asked or "the question as it is"),
            "source": Cell(info.source),
        }
        rows.append(Row(cells))
    if not rows:
        return None
    titles = {"judge": "Judge", "version": "Version", "weights": "Weights", "asked": "Asked", "source": "Source"}
    return Table(
        id="judges",
        title="Judges",
        columns=tuple(Column(key, title, "label") for key, title in titles.items()),
        rows=tuple(rows),
        caption="Who answered the questions. Scores of different judges are different metrics.",
    )
