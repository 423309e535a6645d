"""Diagrams: boxes, arrows and labels at given positions, in inches from the lower left corner."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nova_bench.render.drawing import drawing
from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.grid import clean_text
from nova_bench.render.style import GRID, INK, PAPER, WIDTHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """An element of a diagram, distinguished by shape and fill, never by colour alone.

    ``layer``: white with an outline. ``norm``: grey. ``data``: text alone. ``operation``: a circle. ``group``: a dashed
    frame behind others, with its text above and room for an arrow; ``chosen``: the same, solid and thick.
    """

    text: str
    at: Point
    size: Point
    kind: Literal["layer", "norm", "data", "operation", "group", "chosen"] = "layer"

    @property
    def left(self) -> Point:
        """Middle of the left side."""
        return (self.at[0] - self.size[0] / 2, self.at[1])

    @property
    def right(self) -> Point:
        """Middle of the right side."""
        return (self.at[0] + self.size[0] / 2, self.at[1])

    @property
    def top(self) -> Point:
        """Middle of the upper side."""
        return (self.at[0], self.at[1] + self.size[1] / 2)

    @property
    def bottom(self) -> Point:
        """Middle of the lower side."""
        return (self.at[0], self.at[1] - self.size[1] / 2)


@dataclass(frozen=True)
class Arrow:
    """A line through points, with its head at the last one. ``label`` is beside the middle of the last segment."""

    points: tuple[Point, ...]
    label: str = ""
    side: Literal["left", "right"] = "right"


@dataclass(frozen=True, kw_only=True)
class Diagram(FigureSpec):
    """Boxes and arrows on a sheet of ``height`` inches."""

    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    def records(self) -> Iterator[dict[str, Any]]:
        for box in self.boxes:
            yield {"kind": box.kind, "text": box.text, "x": box.at[0], "y": box.at[1]}
        for arrow in self.arrows:
            yield {"kind": "arrow", "text": arrow.label, "x": arrow.points[-1][0], "y": arrow.points[-1][1]}


@drawing.register(Diagram)
def _diagram(spec: Diagram) -> Figure:
    from matplotlib.figure import Figure

    width = WIDTHS[spec.width]
    figure = Figure(figsize=(width, spec.height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, spec.height))
    axes.set_axis_off()
    for box in spec.boxes:
        _box(axes, box)
    for arrow in spec.arrows:
        _arrow(axes, arrow)
    return figure


def _box(axes: Axes, box: Box) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    outline: dict[str, Any] = {"facecolor": PAPER, "edgecolor": INK, "linewidth": 0.9, "zorder": 3}
    place: dict[str, Any] = {"ha": "center", "va": "center", "size": 7, "zorder": 5, "linespacing": 1.25}
    (x, y), (width, height) = box.at, box.size
    if box.kind == "operation":
        axes.add_patch(Circle(box.at, width / 2, **outline))
        axes.text(x, y, box.text, **{**place, "size": 9})
        return
    if box.kind in ("group", "chosen"):
        chosen = box.kind == "chosen"
        outline |= {"facecolor": "none", "linestyle": "-" if chosen else (0, (4, 3)), "zorder": 1}
        outline["linewidth"] = 1.8 if chosen else 0.7
        place |= {"va": "bottom", "weight": "bold" if chosen else "normal"}
    elif box.kind == "norm":
        outline["facecolor"] = GRID
    if box.kind != "data":
        corner = f"round,pad=0,rounding_size={0.05 if box.kind in ('layer', 'norm') else 0.1}"
        axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle=corner, **outline))
    at = (x, y + height / 2 + 0.28) if box.kind in ("group", "chosen") else (x, y)
    axes.text(*at, "\n".join(clean_text(line) for line in box.text.split("\n")), **place)


def _arrow(axes: Axes, arrow: Arrow) -> None:
    *_, before, end = arrow.points
    xs, ys = zip(*arrow.points[:-1], strict=True)
    axes.plot(xs, ys, color=INK, linewidth=0.9, zorder=2, solid_capstyle="butt", solid_joinstyle="miter")
    head = {"arrowstyle": "-|>,head_length=0.35,head_width=0.16", "color": INK, "linewidth": 0.9}
    axes.annotate("", end, before, arrowprops={**head, "shrinkA": 0, "shrinkB": 0}, zorder=2)
    if arrow.label:
        shift, side = (0.06, "left") if arrow.side == "right" else (-0.06, "right")
        middle = ((before[0] + end[0]) / 2 + shift, (before[1] + end[1]) / 2)
        axes.text(*middle, clean_text(arrow.label), size=7, ha=side, va="center", zorder=5)
