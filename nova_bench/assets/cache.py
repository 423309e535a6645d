"""Where assets lie on this machine, and whether they are what they should be."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from nova_bench.assets.catalog import Asset, get_asset
from nova_bench.errors import MissingAsset, UserError
from nova_bench.identity import file_digest


class AssetState(StrEnum):
    """State of an asset on this machine."""

    HERE = "here"
    MISSING = "missing"
    DAMAGED = "damaged"


def cache_folder() -> Path:
    """NOVA_BENCH_ASSETS, or `nova_bench/assets` in the user's cache folder (XDG_CACHE_HOME)."""
    if folder := os.environ.get("NOVA_BENCH_ASSETS"):
        return Path(folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nova_bench" / "assets"


def cached_file(asset: Asset) -> Path:
    """Where an asset's file lies once it is here."""
    return cache_folder() / asset.name / asset.file


def asset_digest(name: str) -> str:
    """SHA-256 that the asset must have: known without the file, so that plans are the same with and without it."""
    return get_asset(name).sha256


def asset_path(name: str) -> Path:
    """The verified file of an asset. MissingAsset with the command that gets it; UserError where it is damaged."""
    asset = get_asset(name)
    path, state = cached_file(asset), asset_state(name)
    if state == AssetState.MISSING:
        raise MissingAsset(
            f"needs {asset.file} ({asset.summary}, {megabytes(asset.size)})",
            f"python -m nova_bench assets fetch {asset.name}, or put the file at {path}",
        )
    if state == AssetState.DAMAGED:
        raise UserError(
            f"{path}: is not the {asset.file} that was published (another size or SHA-256)",
            f"python -m nova_bench assets fetch {asset.name}",
        )
    return path


def asset_state(name: str, thorough: bool = False) -> AssetState:
    """State of an asset. The bytes are read once and remembered by size and date, unless ``thorough``."""
    asset = get_asset(name)
    path = cached_file(asset)
    try:
        status = path.stat()
    except OSError:
        return AssetState.MISSING
    if status.st_size != asset.size:
        return AssetState.DAMAGED
    stamp = {"size": status.st_size, "modified": status.st_mtime_ns, "sha256": asset.sha256}
    note = path.with_name(f".{path.name}.verified")
    if not thorough and _read(note) == stamp:
        return AssetState.HERE
    if file_digest(path) != asset.sha256:
        return AssetState.DAMAGED
    with suppress(OSError):  # a read-only cache is verified each time
        note.write_text(json.dumps(stamp))
    return AssetState.HERE


def _read(note: Path) -> dict | None:
    try:
        return json.loads(note.read_text())
    except (OSError, ValueError):
        return None


def megabytes(size: float) -> str:
    """A size for people: 12 MB, 0.2 MB, 3.4 GB."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e6:.1f} MB"
