"""What a worker says of itself before its first unit: node, device, code, weights, and the folder of the samples."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nova_bench.assets import asset_digest, asset_state
from nova_bench.assets.cache import AssetState
from nova_bench.core.device import describe_device
from nova_bench.core.identity import file_digest
from nova_bench.execute.crew import Arrival
from nova_bench.pipeline.place import Place

_SOURCES = (".py", ".c", ".h")
_COMPUTING = ("av", "diffusers", "numpy", "opencv-python-headless", "pillow", "scipy", "torch", "transformers")
"""Packages whose version can change a sample or a score."""
_SHOWN = 12
"""Digits of a digest that a message shows."""


@cache
def sources_digest() -> str:
    """SHA-256 over this package's sources and their names."""
    folder = Path(__file__).parents[1]
    sources = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _SOURCES):
        sources.update(f"{path.relative_to(folder)}\0{file_digest(path)}\n".encode())
    return sources.hexdigest()


def code_facts() -> dict[str, str]:
    """What has to be the same on every machine for the same numbers: our sources, Python and computing packages.

    The local part of a version (``+cu130``) may differ: a head node without a GPU has a CPU build.
    """
    versions = {name: _version(name).partition("+")[0] for name in _COMPUTING}
    return {"nova_bench": sources_digest()[:_SHOWN], "Python": platform.python_version(), **versions}


def weight_facts(assets: Iterable[str]) -> dict[str, str]:
    """Digest of each asset that is here, or why it can't be used."""
    states = {name: asset_state(name) for name in assets}
    return {
        f"weights of {name}": asset_digest(name)[:_SHOWN] if state == AssetState.HERE else state.value
        for name, state in states.items()
    }


def arrival_at(place: Place | None, device: str, facts: Mapping[str, str]) -> Arrival:
    """Describe this process as a worker that shall find samples at ``place``. UserError if an exchange fails."""
    assert place is not None, "work is sent with a place"
    node = platform.node() or "this machine"
    return Arrival(node, describe_device(device)["name"], facts, place.is_seen(), place.free_bytes())


def model_fact(digest: str) -> dict[str, str]:
    """The digest of a model's files and settings."""
    return {"the model": digest[:_SHOWN]} if digest else {}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
