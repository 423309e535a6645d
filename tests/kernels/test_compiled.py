"""Where compiled code is kept, and that nobody else can put any there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from nova_bench.kernels import compiled
from nova_bench.kernels.compiled import Sources

SOURCES = Sources("test", "test", Path(compiled.__file__).parent / "simd", (), "NOVA_BENCH_TEST")


def test_nobody_else_s_library_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each way in which somebody else could have put a library there: it is built anew in a private folder."""

    def build(command: Sequence[str], path: Path) -> None:
        del command
        path.write_bytes(b"built here")

    monkeypatch.setattr(compiled, "_compile", build)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = SOURCES.compiled("cc")
    folder = first.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert SOURCES.compiled("cc") == first
    first.write_bytes(b"planted")
    assert SOURCES.compiled("cc").read_bytes() == b"planted"  # by this user: taken
    os.chmod(first, 0o666)
    assert SOURCES.compiled("cc").read_bytes() == b"built here"
    first.write_bytes(b"planted")
    os.chmod(folder, 0o777)
    assert SOURCES.compiled("cc").read_bytes() == b"built here"
    assert folder.stat().st_mode & 0o777 == 0o700
    elsewhere = tmp_path / "planted.so"
    elsewhere.write_bytes(b"planted")
    first.unlink()
    first.symlink_to(elsewhere)
    assert SOURCES.compiled("cc").read_bytes() == b"built here"
    folder.rename(tmp_path / "theirs")
    (tmp_path / "theirs" / first.name).write_bytes(b"planted")
    folder.symlink_to(tmp_path / "theirs")
    private = SOURCES.compiled("cc")
    assert private.read_bytes() == b"built here"
    assert private.parent not in (folder, tmp_path / "theirs")
    assert private.parent.stat().st_mode & 0o777 == 0o700
    folder.unlink()
    os.chmod(folder.parent, 0o777)
    assert SOURCES.compiled("cc").parent != folder
