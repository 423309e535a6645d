"""Files that a suite's prompts need and that nova_bench makes: known by their recipe before they exist.

A plan needs the digest of every first frame and reference. For a made file this is the digest of its recipe
(:func:`made_file`), so planning makes no files and a run makes only those of its own samples.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova_bench.assets.cache import cache_folder
from nova_bench.core.identity import digest


def made_folder() -> Path:
    """Folder of the made files, beside the assets; a file deleted there is made again."""
    return cache_folder() / "prompts"


def made_file(recipe: Any, suffix: str) -> str:
    """Path of the file that ``recipe`` (canonical JSON) makes; the file need not exist."""
    return str(made_folder() / f"{digest('made', recipe)}{suffix}")


def with_recipes(file_digest: Callable[[Path], str]) -> Callable[[Path], str]:
    """``file_digest``, except that a made file's digest is that of its recipe and needs no file."""
    folder = made_folder()
    return lambda path: path.stem if path.parent == folder else file_digest(path)
