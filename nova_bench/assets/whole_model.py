"""Whole models as assets: `hub:ORG/MODEL`, `hub:ORG/MODEL@REVISION`, `folder:PATH`.

What a model consists of is known when it is here, and its digest is that of all these files. Only configurations,
tokenizers and weights in safetensors count: nothing that could run code is fetched or read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from nova_bench.assets.catalog import Asset, AssetFile, ModelSource
from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.judge_names import FOLDERS
from nova_bench.core.regular_files import read_text

HUB, FOLDER = "hub:", "folder:"
PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.jinja")
"""The files of a model, all at the top of its repository."""
WEIGHTS = "model.safetensors"
_SUFFIXES = tuple(pattern.removeprefix("*") for pattern in PATTERNS)
_CONFIG, _LISTING = "config.json", f"{WEIGHTS}.index.json"
_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)
_MAIN = "main"


def model_asset_name(model: str) -> str:
    """The asset behind a hub id or a folder as users write them. A folder begins with `/`, `./`, `../` or `~`.

    Raises UserError for anything else.
    """
    if model.startswith(FOLDERS):
        return FOLDER + os.path.realpath(os.path.expanduser(model))
    repository, at, revision = model.partition("@")
    if not _HUB_ID.fullmatch(repository) or (at and not revision):
        raise UserError(f"{model}: neither a hub id nor a folder", "write ORG/MODEL, ORG/MODEL@REVISION or ./FOLDER")
    return HUB + model


def is_model(name: str) -> bool:
    """Whether an asset's name is that of a whole model."""
    return name.startswith((HUB, FOLDER))


def model_asset(name: str) -> Asset:
    """The asset of that name, with its files as they are here; if it isn't complete, with what it lacks."""
    source = _source(name)
    lacking = [AssetFile(path, None, 0, approximate=True) for path in _lacking(source.folder)]
    return Asset(
        name=name,
        summary="a model of the hub" if source.repo_id else "a model's folder",
        source=source,
        files=tuple(lacking) or tuple(_files(source.folder)),
        licence="see its page",
    )


def _source(name: str) -> ModelSource:
    if name.startswith(FOLDER):
        return ModelSource("", "", Path(name.removeprefix(FOLDER)))
    from huggingface_hub.constants import HF_HUB_CACHE

    repo_id, _, revision = name.removeprefix(HUB).partition("@")
    # The hub's documented cache layout, so that reading a state needs neither network nor heavy imports.
    cache = Path(HF_HUB_CACHE) / f"models--{repo_id.replace('/', '--')}"
    reference = cache / "refs" / (revision or _MAIN)
    try:
        commit = read_text(reference).strip()
    except (OSError, ValueError):
        commit = revision or _MAIN
    return ModelSource(repo_id, revision or _MAIN, cache / "snapshots" / commit)


def _files(folder: Path) -> Iterator[AssetFile]:
    for path in sorted(folder.iterdir()):
        if path.suffix in _SUFFIXES and not path.is_dir():
            yield AssetFile(path.name, None, path.stat().st_size)


def _lacking(folder: Path) -> Iterator[str]:
    """The files that a model needs and that aren't here: its configuration, and all parts of its weights."""
    if not (folder / _CONFIG).exists():
        yield _CONFIG
    if (folder / WEIGHTS).exists():
        return
    try:
        shards = parse_json(read_text(folder / _LISTING))["weight_map"]
        names = sorted({str(shard) for shard in shards.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        names = []
    yield from [name for name in names if not (folder / name).exists()] if names else [WEIGHTS]
