"""The house style of figures: readable in print at column width, in grey, and without full colour vision.

A series is identified by colour (Okabe and Ito, 2008: "Color Universal Design"), marker, dash pattern and hatch at
once, so that no meaning depends on colour alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

INK = "#1c2024"
MUTED = "#646b73"
GRID = "#d9dde2"
PAPER = "#ffffff"
ALARM = "#c1272d"
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5c00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
HATCHES = ("", "///", "\\\\\\", "xxx", "---", "|||", "+++", "//--")  # lines only: dots make SVG files ten times larger
WIDTHS = {"column": 3.3, "page": 6.8}
PNG_DPI = 300

_RC: dict[RcKeyType, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.formatter.use_mathtext": False,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": PAPER,
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "path.simplify": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 7.5,
}


@dataclass(frozen=True)
class Look:
    """The look of one series, in any kind of figure."""

    color: str
    marker: str
    dashes: object
    hatch: str


def look(index: int) -> Look:
    """The look of series ``index``; the cycles have different lengths, so combinations don't repeat soon."""
    return Look(
        COLORS[index % len(COLORS)],
        MARKERS[index % len(MARKERS)],
        DASHES[index % len(DASHES)],
        HATCHES[index % len(HATCHES)],
    )


@contextmanager
def house_style(salt: str) -> Iterator[None]:
    """Apply Matplotlib settings for drawing and saving, ignoring the user's own.

    ``salt`` makes the ids inside an SVG a function of the figure, so that the same data gives the same file.
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_RC, "svg.hashsalt": salt})
        yield
