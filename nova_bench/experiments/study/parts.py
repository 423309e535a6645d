"""Parts of a study's report beyond its metrics: each is requested by a key of the study and adds tables and figures."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from nova_bench.experiments.study.results import StudyResults

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec
    from nova_bench.render.table import Table

PARTS = {
    "diagram": "nova_bench.experiments.study.diagram:diagram_part",
    "overview": "nova_bench.experiments.study.overview:overview_part",
    "curves": "nova_bench.experiments.study.curves:curves_part",
    "strips": "nova_bench.experiments.study.strips:strips_part",
    "training": "nova_bench.experiments.study.training:training_part",
    "stability": "nova_bench.experiments.study.stability:stability_part",
    "block_outputs": "nova_bench.experiments.study.block_outputs:block_outputs_part",
}
"""Key of the study -> "module:function", called as ``(StudyResults, the record's value of the key)``; imported on
use."""


def added_parts(results: StudyResults) -> tuple[list[Table], list[FigureSpec]]:
    """Tables and figures of every part that the study asks for."""
    tables: list[Table] = []
    figures: list[FigureSpec] = []
    for key, path in PARTS.items():
        if (asked := getattr(results.record, key)) is not None:
            more_tables, more_figures = resolve_name(path)(results, asked)
            tables += more_tables
            figures += more_figures
    return tables, figures
