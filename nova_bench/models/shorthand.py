"""`--model M`: what a short name on the command line stands for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova_bench.errors import UserError


def model_section(name: str) -> dict[str, Any]:
    """The model section of a suite that ``name`` stands for: a folder of videos or a manifest of them.

    UserError where it is neither.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return {"adapter": "files", "folder": name, "label": path.resolve().name}
    if path.is_file() and path.suffix.lower() in (".csv", ".jsonl"):
        return {"adapter": "files", "manifest": name, "label": path.stem}
    raise UserError(f"--model {name}: no such folder or manifest", "a folder of videos, a .csv or a .jsonl manifest")
