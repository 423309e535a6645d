"""DPG-Bench's file names: an item's four images are one grid, ``{item}.png``."""

from __future__ import annotations

from nova_bench.protocols.base import FileNames


def file_name(item: str, number: int, suffix: str) -> str:
    """The official name of an item's grid, of which there may be several. ValueError where no file can have it.

    The official script reads the name up to its first dot.
    """
    if "/" in item or "\0" in item or "." in item or not item:
        raise ValueError(f"no file can be named after the item {item!r}")
    return f"{item}.{number}{suffix}" if number else f"{item}{suffix}"


FILE_NAMES = FileNames(
    name="dpg",
    summary="{item}.png, with four images as 2x2 tiles",
    file_name=file_name,
    grids=True,
)
