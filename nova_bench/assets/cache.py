"""Where assets are on this machine, and whether they are intact."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from nova_bench.assets.catalog import ASSETS, Asset, AssetFile, HubSource, ModelSource, PackageSource
from nova_bench.assets.whole_model import is_model, model_asset
from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import MissingAsset, StoreError, UserError
from nova_bench.core.identity import digest, file_digest
from nova_bench.core.json_text import parse_json
from nova_bench.core.registry import unknown_name
from nova_bench.core.regular_files import regular_status
from nova_bench.core.remembered_digests import Keep, Recall, remembered_digest


class AssetState(StrEnum):
    """State of an asset on this machine."""

    HERE = "here"
    MISSING = "missing"
    DAMAGED = "damaged"


def get_asset(name: str) -> Asset:
    """The asset called ``name``, one of :data:`ASSETS` or a whole model. UserError with the nearest name if none is."""
    if is_model(name):
        return model_asset(name)
    if name not in ASSETS:
        raise unknown_name("asset", name, ASSETS)
    return ASSETS[name]


def cache_folder() -> Path:
    """NOVA_BENCH_ASSETS, or `nova_bench/assets` in the user's cache folder (XDG_CACHE_HOME)."""
    if folder := os.environ.get("NOVA_BENCH_ASSETS"):
        return Path(folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nova_bench" / "assets"


def asset_folder(asset: Asset) -> Path:
    """The folder for an asset's files."""
    if isinstance(asset.source, ModelSource):
        return asset.source.folder
    if isinstance(asset.source, PackageSource):
        return installed_folder(asset.source, asset.files) or cache_folder() / asset.name
    if not isinstance(asset.source, HubSource):
        return cache_folder() / asset.name
    from huggingface_hub.constants import HF_HUB_CACHE

    # The hub's documented cache layout, so that reading a state needs neither network nor heavy imports.
    repository = f"models--{asset.source.repo_id.replace('/', '--')}"
    return Path(HF_HUB_CACHE) / repository / "snapshots" / asset.source.revision / asset.source.folder


def installed_folder(source: PackageSource, files: Sequence[AssetFile]) -> Path | None:
    """The folder of an installed package with exactly these files; None if it isn't installed or another version."""
    package, *inner = source.folder.split("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for found in map(Path, (spec and spec.submodule_search_locations) or ()):
        folder = found.joinpath(*inner)
        with suppress(OSError):
            if all(file_digest(folder / file.path) == file.sha256 for file in files):
                return folder
    return None


def located(asset: Asset) -> Path:
    """The path that users of the asset get: the file, or the folder if there are several files."""
    folder = asset_folder(asset)
    return folder / asset.files[0].path if len(asset.files) == 1 else folder


def asset_digest(name: str) -> str:
    """SHA-256 that the asset must have. It is known without the file, so plans are the same with and without it.

    If none was published, it is that of the file here; without the file it is ``"unknown"``, and such plans change when
    the file arrives.
    """
    asset = get_asset(name)
    if asset.sha256 is not None:
        return asset.sha256
    files = _verified(asset)
    if any(found.state != AssetState.HERE for found in files.values()):
        return "unknown"
    digests = sorted([file.path, found.sha256] for file, found in files.items())
    return digests[0][1] if len(digests) == 1 else digest("asset", digests)


def asset_path(name: str) -> Path:
    """The verified file or folder of an asset.

    Raises MissingAsset with the command that fetches it; UserError if it is damaged.
    """
    asset = get_asset(name)
    state = asset_state(name)
    if state == AssetState.MISSING:
        about = f"{asset.summary}, {megabytes(asset.size)}"
        if isinstance(asset.source, ModelSource):
            about = f"{asset.summary}, lacks {', '.join(file.path for file in asset.files)}"
        raise MissingAsset(
            f"needs {asset.title} ({about})",
            f"python -m nova_bench assets fetch {asset.name}, or put it at {located(asset)}",
        )
    if state == AssetState.DAMAGED:
        raise UserError(
            f"{located(asset)}: differs from the published {asset.title} (size or SHA-256)",
            f"python -m nova_bench assets fetch {asset.name}",
        )
    return located(asset)


def asset_state(name: str, thorough: bool = False) -> AssetState:
    """State of an asset. A file is read once and its digest is remembered, unless ``thorough``."""
    states = file_states(get_asset(name), thorough).values()
    return next((state for state in (AssetState.DAMAGED, AssetState.MISSING) if state in states), AssetState.HERE)


def file_states(asset: Asset, thorough: bool = False) -> dict[AssetFile, AssetState]:
    """State of each file of an asset."""
    return {file: found.state for file, found in _verified(asset, thorough).items()}


@dataclass(frozen=True)
class _Verified:
    """A file's state, and its SHA-256 if it exists."""

    state: AssetState
    sha256: str = ""


def _verified(asset: Asset, thorough: bool = False) -> dict[AssetFile, _Verified]:
    note = cache_folder() / asset.name / ".verified.json"
    known = _read(note)
    kept = {} if thorough else dict(known)

    def recall(path: str) -> tuple[str, str] | None:
        entry = kept.get(path)
        return (entry[0], entry[1]) if isinstance(entry, list) and len(entry) == 2 else None

    def keep(path: str, stamp: str, sha256: str) -> None:
        kept[path] = [stamp, sha256]

    found = {file: _verify(asset_folder(asset) / file.path, file, recall, keep) for file in asset.files}
    if kept != known:
        with suppress(StoreError):  # a read-only cache is verified every time
            write_atomic(note, json.dumps(kept).encode())
    return found


def _verify(path: Path, file: AssetFile, recall: Recall, keep: Keep) -> _Verified:
    try:
        size = regular_status(path).st_size
        if size == file.size or (file.approximate and size):
            sha256 = remembered_digest(path, recall, keep)
            if file.sha256 in (sha256, None):
                return _Verified(AssetState.HERE, sha256)
    except FileNotFoundError:
        return _Verified(AssetState.MISSING)
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}", "make it readable or delete it") from error
    return _Verified(AssetState.DAMAGED)


def _read(note: Path) -> dict[str, Any]:
    try:
        stamps = parse_json(note.read_bytes())
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def megabytes(size: float) -> str:
    """A size for people: 0.2 MB, 12 MB, 3.4 GB."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    if size >= 1e7:
        return f"{size / 1e6:.0f} MB"
    if size >= 1e5:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e3:.0f} kB" if size >= 1e3 else f"{size:.0f} bytes"
