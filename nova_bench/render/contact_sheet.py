"""Contact sheets: samples as pictures with their prompts, as in a paper's gallery figure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from nova_bench.render.drawing import drawing
from nova_bench.render.figure_spec import FigureSpec
from nova_bench.render.grid import clean_text
from nova_bench.render.style import GRID, MUTED, WIDTHS

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

PICTURES_ACROSS = 3
"""Images per row, if every sample is one picture."""
FRAMES_ACROSS = 5
"""Frames of a video, in one row."""
_DPI = 200  # more makes pages of a dozen pictures large without a visible gain in print
_GAP = 0.06  # inches
_TEXT_SIZE = 6.5  # points
_LINE = 1.3 * _TEXT_SIZE / 72
_LETTER = 0.6 * _TEXT_SIZE / 72  # an average letter's width
_MOST_LINES = 6


@dataclass(frozen=True)
class Picture:
    """One frame: its number in the clip, and its pixels as RGB bytes in row order."""

    frame: int
    width: int
    height: int
    pixels: bytes


@dataclass(frozen=True)
class Tile:
    """One sample: its picture or row of frames with the prompt below. ``note`` replaces a missing picture."""

    caption: str
    pictures: tuple[Picture, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ContactSheet(FigureSpec):
    """Samples in a grid; one per row if any of them has several frames."""

    tiles: tuple[Tile, ...]

    def records(self) -> Iterator[dict[str, Any]]:
        for tile in self.tiles:
            for picture in tile.pictures or (None,):
                size = (
                    {"width": picture.width, "height": picture.height} if picture else {"width": None, "height": None}
                )
                digest = hashlib.sha256(picture.pixels).hexdigest() if picture else None
                frame = picture.frame if picture else None
                yield {"caption": tile.caption, "frame": frame, **size, "sha256": digest, "note": tile.note}


def pictures_of(frames: np.ndarray) -> tuple[Picture, ...]:
    """uint8 RGB [T, H, W, 3] -> its only frame, or frames evenly spaced from first to last, no larger than printed."""
    from PIL import Image

    across = PICTURES_ACROSS if len(frames) == 1 else FRAMES_ACROSS
    count = min(len(frames), FRAMES_ACROSS)
    picks = [round(index * (len(frames) - 1) / max(1, count - 1)) for index in range(count)]
    side = round(_picture_width(across) * _DPI)
    made = []
    for pick in picks:
        image = Image.fromarray(frames[pick])
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        made.append(Picture(pick, image.width, image.height, image.tobytes()))
    return tuple(made)


@drawing.register(ContactSheet)
def _sheet(spec: ContactSheet) -> Figure:
    from matplotlib.figure import Figure

    videos = any(len(tile.pictures) > 1 for tile in spec.tiles)
    across = FRAMES_ACROSS if videos else PICTURES_ACROSS
    columns = 1 if videos else PICTURES_ACROSS
    width = _picture_width(across)
    rows = [_Row(spec.tiles[start : start + columns], width, videos) for start in range(0, len(spec.tiles), columns)]
    total = sum(row.height for row in rows) or 1.0
    page = WIDTHS["page"]
    figure = Figure(figsize=(page, total))
    top = 0.0
    for row in rows:
        for index, tile in enumerate(row.tiles):
            left = index * (width + _GAP)
            for position, picture in enumerate(tile.pictures):
                height = width * picture.height / picture.width
                box = (
                    (left + position * (width + _GAP)) / page,
                    1 - (top + height) / total,
                    width / page,
                    height / total,
                )
                _show(figure, picture, box)
            if not tile.pictures:
                corner = (left / page, 1 - (top + row.pictures) / total)
                _blank(figure, tile, (*corner, row.room / page, row.pictures / total), int(0.9 * row.room / _LETTER))
            text = "\n".join(row.captions[index])
            figure.text(left / page, 1 - (top + row.pictures + 0.03) / total, text, va="top", size=_TEXT_SIZE)
        top += row.height
    return figure


class _Row:
    """Tiles side by side: the width of each, and the heights of pictures and captions, in inches."""

    def __init__(self, tiles: Sequence[Tile], width: float, videos: bool):
        self.tiles = tiles
        self.room = WIDTHS["page"] if videos else width
        self.captions = [_lines(tile.caption, int(self.room / _LETTER)) for tile in tiles]
        shapes = [picture.height / picture.width for tile in tiles for picture in tile.pictures]
        self.pictures = width * max(shapes, default=0.6)
        self.height = self.pictures + 0.03 + _LINE * max(map(len, self.captions)) + 0.12


def _lines(text: str, letters: int) -> list[str]:
    return wrap(clean_text(text), letters, max_lines=_MOST_LINES, placeholder=" …") or [""]


def _picture_width(across: int) -> float:
    return (WIDTHS["page"] - (across - 1) * _GAP) / across


def _show(figure: Figure, picture: Picture, box: tuple[float, float, float, float]) -> None:
    import numpy as np

    axes = figure.add_axes(box)
    axes.set_axis_off()
    pixels = np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width, 3)
    axes.imshow(pixels, interpolation="none", aspect="auto")


def _blank(figure: Figure, tile: Tile, box: tuple[float, float, float, float], letters: int) -> None:
    axes = figure.add_axes(box, xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=GRID)
    note = "\n".join(_lines(tile.note, letters))
    axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", va="center", size=_TEXT_SIZE, color=MUTED)
