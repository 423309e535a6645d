"""Samples for contact sheets: the first ones of the plan, with their prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nova_bench.core.errors import MediaError
from nova_bench.pipeline.plan import Plan
from nova_bench.render.contact_sheet import ContactSheet, Tile
from nova_bench.report.naming import model_name, sample_name
from nova_bench.report.sources import Sources
from nova_bench.store import Artifact, FailedUnit

if TYPE_CHECKING:
    pass

PER_SHEET = 12
UNREADABLE = "can't be shown"
WITHOUT_SCORERS = 24


def contact_sheets(plan: Plan, artifacts: Mapping[str, Artifact | FailedUnit], sources: Sources) -> list[ContactSheet]:
    """As many samples as the suite's report asks for, twelve to a sheet."""
    asked = plan.suite.report.contact_sheet
    if asked is None:
        asked = 0 if plan.scorers else WITHOUT_SCORERS
    units = plan.units[:asked]
    of_all = f" of {len(plan.units)}" if len(units) < len(plan.units) else ""
    sheets = []
    for start in range(0, len(units), PER_SHEET):
        part = units[start : start + PER_SHEET]
        tiles = tuple(_tile(sample_name(unit), artifacts.get(unit.digest), sources) for unit in part)
        moving = any(len(tile.pictures) > 1 for tile in tiles)
        number = f"_{start // PER_SHEET + 1}" if len(units) > PER_SHEET else ""
        sheets.append(
            ContactSheet(
                id=f"contact_sheet{number}",
                title=f"Samples {start + 1} to {start + len(part)}{of_all}",
                caption=f"{model_name(plan)}." + (" Frames evenly spread from first to last." if moving else ""),
                tiles=tiles,
                width="page",
            )
        )
    return sheets


def unreadable(sheets: Sequence[ContactSheet]) -> list[str]:
    """One line for each sample whose file exists but can't be read."""
    tiles = (tile for sheet in sheets for tile in sheet.tiles)
    return [f"{tile.caption}: {tile.note}" for tile in tiles if tile.note.startswith(UNREADABLE)]


def _tile(caption: str, artifact: Artifact | FailedUnit | None, sources: Sources) -> Tile:
    if not isinstance(artifact, Artifact):
        return Tile(caption, (), f"failed: {artifact.error}" if artifact else "not made yet")
    try:
        return Tile(caption, sources.pictures(artifact))
    except MediaError as error:
        return Tile(caption, (), f"{UNREADABLE}: {error}")
