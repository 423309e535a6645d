"""Rows of frames (App. C, Figure 3): what each video shows at chosen steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from textwrap import fill
from typing import TYPE_CHECKING, Any

from nova_bench.render.drawing import drawing, short_label
from nova_bench.render.figure_spec import FigureSpec, same_length
from nova_bench.render.style import MUTED, WIDTHS

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class FrameStrips(FigureSpec):
    """Frames of several videos, a row each: ``pictures[row][column]`` is uint8 RGB [H, W, 3], None if there is none.

    The pictures are drawn but not kept as data: the videos have them.
    """

    columns: tuple[str, ...]
    rows: tuple[str, ...]
    pictures: tuple[tuple[np.ndarray | None, ...], ...] = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        same_length("rows of frames", self.rows, self.pictures)
        same_length("columns of frames", self.columns, *self.pictures)

    def records(self) -> Iterator[dict[str, Any]]:
        for row, pictures in zip(self.rows, self.pictures, strict=True):
            for column, picture in zip(self.columns, pictures, strict=True):
                yield {"row": row, "column": column, "there": picture is not None}

    def document(self) -> dict[str, Any]:
        return {**asdict(replace(self, rows=(), pictures=())), "rows": self.rows, "frames": list(self.records())}


@drawing.register(FrameStrips)
def _strips(spec: FrameStrips) -> Figure:
    from matplotlib.figure import Figure

    shapes = [picture.shape for row in spec.pictures for picture in row if picture is not None]
    height, width = max(shapes, default=(1, 1))[:2]
    room = WIDTHS[spec.width] - 0.99  # the rest is for the names of the rows
    side = room / max(1, len(spec.columns))
    figure = Figure(figsize=(WIDTHS[spec.width], 0.3 + len(spec.rows) * (side * height / width + 0.05)))
    axes = figure.subplots(
        max(1, len(spec.rows)),
        max(1, len(spec.columns)),
        squeeze=False,
        gridspec_kw={
            "left": 0.95 / WIDTHS[spec.width],
            "right": 1,
            "bottom": 0,
            "top": 1 - 0.2 / figure.get_figheight(),
        }
        | {"wspace": 0.04, "hspace": 0.04},
    )
    for ax, picture in zip(axes.flat, (picture for row in spec.pictures for picture in row), strict=False):
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(picture is None)
        if picture is not None:
            ax.imshow(picture, interpolation="nearest")
        else:
            ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", va="center", color=MUTED, size=7)
    for ax, column in zip(axes[0], spec.columns, strict=False):
        ax.set_title(short_label(column), size=7, pad=3)
    for ax, row in zip(axes[:, 0], spec.rows, strict=False):
        ax.set_ylabel(
            fill(short_label(row), 16, max_lines=3, placeholder="…"), size=7, rotation=0, ha="right", va="center"
        )
    return figure
