"""Finds things by name: built-in ones, those of installed packages, and the nearest name for a wrong one."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import Generic, TypeVar

from nova_bench.core.errors import UserError

Info = TypeVar("Info")


@dataclass
class Registry(Generic[Info]):
    """Things of one kind by name: ``built_in`` ones, and those under the entry-point ``group`` of other packages.

    Both map the thing's name to its description as ``"module:attribute"``, an instance of the class that ``kind`` names
    in the same way. Nothing is imported before it is needed, so a registry causes no import. Other packages can't take
    a built-in name.
    """

    what: str
    group: str
    kind: str
    built_in: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _offered(self) -> dict[str, EntryPoint]:
        found = {point.name: point for point in entry_points(group=self.group)}
        return {name: point for name, point in sorted(found.items()) if name not in self.built_in}

    def get(self, name: str) -> Info:
        """The thing called ``name``. Raises UserError with the nearest name if it doesn't exist or is unusable."""
        if name in self.built_in:
            return resolve_name(self.built_in[name])
        if name in self._offered:
            return self._load(self._offered[name])
        raise unknown_name(self.what, name, self.names())

    def names(self) -> list[str]:
        """Every name, built-in ones first; imports nothing."""
        return [*self.built_in, *self._offered]

    def own(self) -> dict[str, Info]:
        """The built-in things by name."""
        return {name: self.get(name) for name in self.built_in}

    def all(self) -> dict[str, Info]:
        """Everything by name. An unusable thing from another package is left out with a warning."""
        things = self.own()
        for name, point in self._offered.items():
            try:
                things[name] = self._load(point)
            except UserError as error:
                warnings.warn(str(error), stacklevel=2)
        return things

    def _load(self, point: EntryPoint) -> Info:
        package = point.dist.name if point.dist else "an unknown package"
        remedy = f"repair or uninstall {package}"
        try:
            thing = point.load()
        except Exception as error:
            raise UserError(f"{self.what} {point.name!r} of {package} can't be imported: {error}", remedy) from error
        kind = resolve_name(self.kind)
        if not isinstance(thing, kind) or thing.name != point.name:
            raise UserError(f"{self.what} {point.name!r} of {package} is not a {kind.__name__} of that name", remedy)
        return thing


def nearest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'psnr'?"`` for the closest known name, or an empty string if none is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def unknown_name(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that doesn't exist."""
    known = sorted(known)
    return UserError(f"unknown {what} {name!r}{nearest(name, known)}", f"known: {', '.join(known)}")
