"""`--model M`: what a short name on the command line stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova_bench.config.paths import beside
from nova_bench.core.errors import UserError
from nova_bench.core.regular_files import NOT_REGULAR, is_regular
from nova_bench.models.checkpoints import is_checkpoint
from nova_bench.models.published import CHECKPOINTS, is_hub_id
from nova_bench.models.random_weights import SUFFIX, check_random_name


def model_section(name: str) -> dict[str, Any]:
    """The model section of a suite that ``name`` stands for.

    A folder is a NOVA checkpoint if it holds `model_index.json`, else videos; a .csv or .jsonl file is a manifest;
    a published name or ``owner/name`` is a checkpoint of the hub; ``NAME@random`` is a published architecture with
    random weights. UserError for anything else.
    """
    if name.endswith(SUFFIX):
        architecture = name.removesuffix(SUFFIX)
        check_random_name(architecture)
        label = f"{architecture}, random weights"
        return {"adapter": "nova", "checkpoint": architecture, "random_weights": True, "label": label}
    path = beside(name, Path())
    if path.is_dir():
        adapter = "nova" if is_checkpoint(path) else "files"
        return {"adapter": adapter, "folder": str(path.resolve()), "label": path.resolve().name}
    if is_regular(path) and path.suffix.lower() in (".csv", ".jsonl"):
        return {"adapter": "files", "manifest": str(path.resolve()), "label": path.stem}
    if path.exists() and not is_regular(path):
        raise UserError(f"--model {name}: {NOT_REGULAR}", "name a folder, or copy its content to a manifest")
    if name in CHECKPOINTS or is_hub_id(name):
        return {"adapter": "nova", "checkpoint": name, "label": name.rpartition("/")[2]}
    raise UserError(
        f"--model {name}: no such folder, manifest or checkpoint",
        f"a checkpoint (folder, owner/name, {', '.join(CHECKPOINTS)}), a folder of videos, or a .csv/.jsonl manifest",
    )
