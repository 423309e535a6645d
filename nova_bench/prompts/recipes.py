"""Files that a suite's prompts need and that nova_bench makes: known by their recipe before they exist.

A plan needs the digest of every first frame and reference. That of a made file is the digest of what it is made of and
how (:func:`made_file`), so that planning makes none of them and a run makes those of its own samples only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova_bench.assets.cache import cache_folder
from nova_bench.core.identity import digest


def made_folder() -> Path:
    """Where made files lie: beside the assets; whatever is deleted there is made again."""
    return cache_folder() / "prompts"


def made_file(recipe: Any, suffix: str) -> str:
    """Path of the file that ``recipe`` (canonical JSON) makes; there or not."""
    return str(made_folder() / f"{digest('made', recipe)}{suffix}")


def with_recipes(file_digest: Callable[[Path], str]) -> Callable[[Path], str]:
    """``file_digest``, except that a made file's digest is that of its recipe and needs no file."""
    folder = made_folder()
    return lambda path: path.stem if path.parent == folder else file_digest(path)
