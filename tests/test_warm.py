"""Everything that the warm processes import exists: their server passes over what doesn't, and tests take longer."""

from __future__ import annotations

from importlib.util import find_spec

from tests.warm import PRELOADED


def test_preloaded_modules_exist() -> None:
    assert [name for name in PRELOADED if find_spec(name) is None] == []
