"""A diagram of what a study compares (Figures 1 and 2), from the configuration of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.experiments.study.block_diagrams import norm_placement_diagram, scale_shift_diagram
from nova_bench.experiments.study.record import DiagramRecord
from nova_bench.experiments.study.results import StudyResults
from nova_bench.experiments.study.spec import DiagramSpec
from nova_bench.models.published import checkpoint_path

if TYPE_CHECKING:
    from nova_bench.render.figure_spec import FigureSpec
    from nova_bench.render.table import Table


def diagram_record(asked: DiagramSpec) -> DiagramRecord:
    """What the diagram is drawn from. MissingAsset if the checkpoint isn't here, NOVAError if it isn't a checkpoint."""
    from nova_bench.nova.config import NOVAConfig

    config = NOVAConfig.from_file(checkpoint_path(asked.checkpoint) / "transformer" / "config.json")
    return DiagramRecord(figure=asked.figure, config=config.to_dict())


def diagram_part(results: StudyResults, record: DiagramRecord) -> tuple[list[Table], list[FigureSpec]]:
    """The diagram as the only figure of this part."""
    from nova_bench.nova.config import NOVAConfig

    draw = {"scale_and_shift": scale_shift_diagram, "normalization": norm_placement_diagram}[record.figure]
    return [], [draw(NOVAConfig.from_dict(record.config, "the stored configuration"))]
