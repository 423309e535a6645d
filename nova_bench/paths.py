"""Where a path written in a suite or manifest points to."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

from nova_bench.errors import UserError

PACKAGE_SCHEME = "package:"


class _RelativeToSuite:
    """Marks a field that holds a path; ``nova_bench.load`` resolves it against the file it was written in."""


RELATIVE_TO_SUITE = _RelativeToSuite()
SuitePath = Annotated[str, RELATIVE_TO_SUITE]


def anchor(text: str, base: Path) -> str:
    """Make ``text`` absolute: relative paths count from the folder ``base``; ``package:`` paths stay as they are."""
    if text.startswith(PACKAGE_SCHEME):
        return text
    return str((base / Path(text).expanduser()).resolve())


def locate(text: str) -> Path:
    """The file or folder behind an anchored path.

    ``package:NAME/rest`` is a file that an installed Python package ships; the package is found but not imported.
    Raises UserError where that package isn't installed.
    """
    if not text.startswith(PACKAGE_SCHEME):
        return Path(text)
    name, _, rest = text.removeprefix(PACKAGE_SCHEME).partition("/")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"{text}: the package {name!r} isn't installed", "pip install 'nova_bench[demo]'")
    return Path(next(iter(spec.submodule_search_locations))) / rest
