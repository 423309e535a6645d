"""Draws a figure from its data and writes its files, data included. Never touches pyplot's state."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import UserError
from nova_bench.render.drawing import drawing
from nova_bench.render.figure_spec import (
    BarStack,
    CurveWithBand,
    FigureSpec,
    MetricDistribution,
    MetricIntervals,
    Scatter,
)
from nova_bench.render.files import safe_name
from nova_bench.render.grid import clean_text
from nova_bench.render.style import PNG_DPI, house_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_DATES = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
SCHEMA = "nova_bench.figure/1"
DATA_ALONE: dict[str, type[FigureSpec]] = {
    kind.__name__: kind for kind in (BarStack, CurveWithBand, MetricDistribution, MetricIntervals, Scatter)
}
"""Kinds of figures without pictures."""
FILE_FORMATS = ("svg", "png", "pdf")


def draw(spec: FigureSpec) -> Figure:
    """Draw ``spec`` in the house style. The title and caption are left to the page that shows the figure."""
    with house_style(spec.id):
        return drawing(spec)


def read_figure(text: str | bytes) -> FigureSpec | None:
    """Read the JSON file that :func:`write_figure` leaves beside a drawing; None for a kind that needs more than data.

    Raises UserError if the text isn't such a file.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        document = json.loads(text)
        if document.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        kind = DATA_ALONE.get(document.pop("kind"))
        return TypeAdapter(kind).validate_python(document) if kind else None
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"not a nova_bench figure: {reason}", "write it with write_figure") from error


def figure_bytes(spec: FigureSpec, format: str) -> bytes:
    """The figure as ``svg``, ``png`` (300 dpi) or ``pdf``; the same data gives the same bytes."""
    with house_style(spec.id):
        figure, stream = drawing(spec), io.BytesIO()
        title = {} if format == "png" else {"Title": clean_text(spec.title)}
        with warnings.catch_warnings():
            # Characters that the font lacks are boxes in PNG and PDF; SVG uses the viewer's own fonts.
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            figure.savefig(stream, format=format, dpi=PNG_DPI, metadata={**_NO_DATES[format], **title})
    return stream.getvalue()


def drawn_figure(spec: FigureSpec, format: str) -> bytes:
    """:func:`figure_bytes`, drawn once even if several files and pages show this ``spec``."""
    if format not in spec.drawn:
        spec.drawn[format] = figure_bytes(spec, format)
    return spec.drawn[format]


def write_figure(spec: FigureSpec, folder: Path, formats: Sequence[str] = FILE_FORMATS) -> list[Path]:
    """Write the figure, and its data as CSV and JSON, as ``folder/ID.EXT``; return the paths.

    Files of other formats, which an earlier report left, are removed: they may show other numbers.
    """
    stem = safe_name(spec.id)
    for format in FILE_FORMATS:
        if format not in formats:
            (Path(folder) / f"{stem}.{format}").unlink(missing_ok=True)
    contents = {format: drawn_figure(spec, format) for format in formats}
    contents |= {"csv": figure_csv(spec).encode(), "json": figure_json(spec).encode()}
    return [write_atomic(Path(folder) / f"{stem}.{suffix}", data) for suffix, data in contents.items()]


def figure_csv(spec: FigureSpec) -> str:
    """The records of the figure as CSV; a gap is an empty field."""
    records, stream = list(spec.records()), io.StringIO()
    if records:
        writer = csv.DictWriter(stream, list(records[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: clean_text(v) if isinstance(v, str) else v for k, v in r.items()} for r in records)
    return stream.getvalue()


def figure_json(spec: FigureSpec) -> str:
    """The whole spec as JSON with its ``kind``; numbers that aren't finite become null."""
    document = {"schema": SCHEMA, "kind": type(spec).__name__, **spec.document()}
    return json.dumps(_finite(document), indent=1, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    if isinstance(value, bytes):  # a picture's pixels: too many for JSON
        return f"sha256:{hashlib.sha256(value).hexdigest()}"
    return None if isinstance(value, float) and not math.isfinite(value) else value
