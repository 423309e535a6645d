"""Finding things by name: entry points of third parties, and the nearest valid name for a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

from nova_bench.errors import UserError


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'psnr'?"`` for the closest known name, or an empty string where none is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def plugins(group: str, expected: type) -> dict[str, Any]:
    """Objects that installed packages offer under the entry-point ``group``, by name.

    A plugin that can't be imported, or that is not of the ``expected`` type, is a UserError that names its package.
    """
    found = {}
    for entry in entry_points(group=group):
        package = entry.dist.name if entry.dist else "?"
        try:
            thing = entry.load()
        except Exception as error:
            raise UserError(
                f"plugin {entry.name!r} of package {package!r} can't be imported: {error}",
                f"repair it, or pip uninstall {package}",
            ) from error
        if not isinstance(thing, expected):
            raise UserError(
                f"plugin {entry.name!r} of package {package!r} is no {expected.__name__}",
                f"pip uninstall {package}, or ask its authors",
            )
        found[entry.name] = thing
    return found


def unknown_name(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that nothing bears."""
    known = sorted(known)
    return UserError(f"unknown {what} {name!r}{nearest(name, known)}", f"known: {', '.join(known)}")
