"""Fetches assets from the package registry, a URL or the Hugging Face hub, and checks them before use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from nova_bench.assets import hub, package, url
from nova_bench.assets.cache import AssetState, asset_folder, cache_folder, file_states, get_asset, located
from nova_bench.assets.catalog import Asset, AssetFile, HubSource, ModelSource, PackageSource, UrlSource
from nova_bench.assets.whole_model import PATTERNS
from nova_bench.core.errors import MissingAsset, StoreError, UserError

Advance = Callable[[int], None]


def fetch(name: str, advance: Advance = lambda count: None, offline: bool = False) -> Path:
    """Fetch an asset if it isn't here; return its file or folder.

    ``advance`` is called with the bytes of each piece, ``Asset.size`` in all. Raises MissingAsset if it can't be
    fetched (offline, no network), UserError if the SHA-256 of the download differs. An interrupted download is resumed;
    two processes that want the same asset wait for each other.
    """
    from filelock import FileLock

    asset = get_asset(name)
    if isinstance(asset.source, ModelSource):
        return _fetch_model(name, asset.source, offline or is_offline())
    if _lacking(asset, lambda count: None):
        if offline or is_offline():
            raise MissingAsset(
                f"{asset.title} is not here, and fetching is off (offline)", f"put it at {located(asset)}"
            )
        notes = cache_folder() / asset.name
        try:
            notes.mkdir(parents=True, exist_ok=True)
            with FileLock(notes / ".fetch.lock"):
                _bring(asset, advance)
        except StoreError as error:
            raise UserError(error.message, "free space, or set NOVA_BENCH_ASSETS") from error
        except OSError as error:
            place = error.filename or notes
            reason = error.strerror or error
            raise UserError(f"{place}: can't be written: {reason}", "free space, or set NOVA_BENCH_ASSETS") from error
    else:
        advance(asset.size)
    return located(asset)


def _fetch_model(name: str, source: ModelSource, offline: bool) -> Path:
    """A whole model; the hub's library shows its own progress."""
    here = all(state == AssetState.HERE for state in file_states(get_asset(name)).values())
    if not here and not source.repo_id:
        raise MissingAsset(f"{source}: lacks {_missing(name)}", "copy the whole model there, or correct the path")
    if not here and offline:
        raise MissingAsset(f"{source.repo_id} is not here, and fetching is off (offline)", f"put it at {source.folder}")
    if not here:
        hub.bring_snapshot(source.repo_id, source.revision, PATTERNS, top_only=True)
        if missing := _missing(name):
            raise UserError(
                f"{source}: has no {missing}; weights in other formats than safetensors are not loaded",
                f"name a revision that has it: {name.partition('@')[0]}@REVISION",
            )
    return located(get_asset(name))


def _missing(name: str) -> str:
    """The first file that a model lacks; empty if it is whole."""
    states = file_states(get_asset(name))
    return next((file.path for file, state in states.items() if state != AssetState.HERE), "")


def is_offline() -> bool:
    """Whether the environment forbids network access: NOVA_BENCH_OFFLINE or HF_HUB_OFFLINE."""
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "yes", "on")
        for name in ("NOVA_BENCH_OFFLINE", "HF_HUB_OFFLINE")
    )


def _lacking(asset: Asset, advance: Advance) -> list[AssetFile]:
    """The files that are missing or damaged; counts the others as fetched."""
    states = file_states(asset, thorough=True)
    advance(sum(file.size for file, state in states.items() if state == AssetState.HERE))
    return [file for file, state in states.items() if state != AssetState.HERE]


def _bring(asset: Asset, advance: Advance) -> None:
    lacking = _lacking(asset, advance)
    if isinstance(asset.source, PackageSource):
        package.bring(asset.source, lacking, asset_folder(asset), advance)
    else:
        for file in lacking:
            path = asset_folder(asset) / file.path
            if isinstance(asset.source, HubSource):
                hub.bring(asset.source, file, path, advance)
            elif isinstance(asset.source, UrlSource):
                url.bring(asset.source, file, path, advance)
    wrong = [file for file, state in file_states(asset).items() if state != AssetState.HERE]
    if wrong:
        raise UserError(
            f"{asset.source}: {wrong[0].path} differs from the published file (size or SHA-256)",
            "fetch again; if this persists, the publisher changed the file",
        )
