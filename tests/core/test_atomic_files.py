"""Files are whole or not there."""

from __future__ import annotations

import pytest

from nova_bench.core.atomic_files import TEMPORARY_PREFIX, write_atomic, write_with


def test_failed_write_keeps_the_old_file(tmp_path):
    target = write_atomic(tmp_path / "a.txt", b"old")
    with pytest.raises(TypeError):
        write_atomic(target, "not bytes")
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_writer_that_fails_halfway_leaves_nothing(tmp_path):
    def write(path):
        path.write_bytes(b"half")
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_with(tmp_path / "folder" / "b.bin", write)
    assert list((tmp_path / "folder").iterdir()) == []


def test_the_temporary_file_has_the_suffix_and_lies_beside(tmp_path):
    seen = []
    write_with(tmp_path / "c.mp4", lambda path: seen.append(path) or path.write_bytes(b"x"))
    assert seen[0].parent == tmp_path
    assert seen[0].suffix == ".mp4"
    assert seen[0].name.startswith(TEMPORARY_PREFIX)


def test_rights_are_those_of_any_new_file(tmp_path):
    ordinary = tmp_path / "ordinary.txt"
    ordinary.write_bytes(b"x")
    assert write_atomic(tmp_path / "d.txt", b"x").stat().st_mode == ordinary.stat().st_mode
