"""The model adapters by name: built-in ones, and those that installed packages offer as `nova_bench.models`."""

from __future__ import annotations

from nova_bench.models.base import AdapterInfo
from nova_bench.models.files import FilesSpec
from nova_bench.names import plugins, unknown_name

ADAPTERS: dict[str, AdapterInfo] = {
    "files": AdapterInfo(
        name="files",
        summary="videos or images that any model made: a folder, or a CSV/JSONL manifest",
        options=FilesSpec,
        factory="nova_bench.models.files:FilesAdapter",
    ),
}


def all_adapters() -> dict[str, AdapterInfo]:
    """Built-in adapters and those of installed packages (entry-point group ``nova_bench.models``)."""
    return {**plugins("nova_bench.models", AdapterInfo), **ADAPTERS}


def get_adapter(name: str) -> AdapterInfo:
    """The adapter called ``name``. UserError with the nearest name where there is none."""
    if name in ADAPTERS:
        return ADAPTERS[name]
    known = all_adapters()
    if name not in known:
        raise unknown_name("model adapter", name, known)
    return known[name]
