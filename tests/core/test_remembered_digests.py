"""A remembered digest is the file's own, whatever was done to the file meanwhile."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.core import remembered_digests as remembered
from nova_bench.core.remembered_digests import Stamp, digest_once, distrusting, remembered_digest, stamped_digest

SIZE = 8
contents = st.binary(min_size=SIZE, max_size=SIZE)


class Memory(dict):
    """What was remembered, and how often something was."""

    kept = 0

    def keep(self, path: str, stamp: str, sha256: str) -> None:
        self[path] = stamp, sha256
        self.kept += 1

    def digest(self, path: Path) -> str:
        return remembered_digest(path, self.get, self.keep)


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def overwrite_and_keep_dates(path: Path, content: bytes) -> None:
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rename_over(path: Path, content: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(content)
    shutil.copystat(path, other)
    os.replace(other, path)


def write_through_a_hard_link(path: Path, content: bytes) -> None:
    link = path.with_name("link")
    os.link(path, link)
    overwrite_and_keep_dates(link, content)
    link.unlink()


def replace_by_a_link(path: Path, content: bytes) -> None:
    target = path.with_name(f"target{len(list(path.parent.iterdir()))}")
    target.write_bytes(content)
    path.unlink()
    path.symlink_to(target)


CHANGES = [overwrite, overwrite_and_keep_dates, rename_over, write_through_a_hard_link, replace_by_a_link]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(CHANGES), contents), max_size=6))
def test_the_digest_is_that_of_the_bytes(tmp_path_factory: pytest.TempPathFactory, changes) -> None:
    path, memory = tmp_path_factory.mktemp("files") / "file", Memory()
    path.write_bytes(b"original")
    assert memory.digest(path) == hashlib.sha256(b"original").hexdigest()
    for change, content in changes:
        change(path, content)
        assert memory.digest(path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("change", CHANGES)
def test_an_old_file_that_changed_is_read_again(change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the grain at zero every file counts as old: then the stamp alone must tell."""
    monkeypatch.setattr(remembered, "GRAIN_NS", -(10**12))
    path, memory = tmp_path / "file", Memory()
    path.write_bytes(b"original")
    memory.digest(path)
    assert memory.kept == 1
    memory.digest(path)
    assert memory.kept == 1  # unchanged: not read again
    tick = path.lstat().st_ctime_ns
    while (tmp_path / "clock").write_bytes(b"") or (tmp_path / "clock").stat().st_ctime_ns <= tick:
        pass  # the next tick of the clock that stamps files
    change(path, b"replaced")
    assert memory.digest(path) == hashlib.sha256(b"replaced").hexdigest()


def test_a_young_file_is_not_remembered(tmp_path: Path) -> None:
    path, memory = tmp_path / "file", Memory()
    path.write_bytes(b"original")
    memory.digest(path)
    assert not memory


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_what_is_settled_is_older_than_any_clock_s_grain(modified: int, changed: int, now: int) -> None:
    settled = Stamp(1, 2, 3, modified, changed).settled(now)
    assert settled == (now - modified > 3 * 10**9 and now - changed > 3 * 10**9)


def test_rehashing_reads_everything_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "GRAIN_NS", -(10**12))
    path, memory = tmp_path / "file", Memory()
    path.write_bytes(b"original")
    digest = memory.digest(path)
    memory[str(path)] = memory[str(path)][0], "a digest that is wrong"
    assert memory.digest(path) == "a digest that is wrong"
    with distrusting(True):
        assert memory.digest(path) == digest
        kept = memory.kept
        assert memory.digest(path) == digest
        assert memory.kept == kept
    assert memory.digest(path) == digest


def test_what_one_command_read_isn_t_read_again_for_another_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A preview without a store, then the run that makes the store."""
    path, memory = tmp_path / "file", Memory()
    path.write_bytes(b"original")
    os.utime(path, (1, 1))
    monkeypatch.setattr(remembered, "GRAIN_NS", -(10**12))
    read = []
    monkeypatch.setattr(remembered, "stamped_digest", lambda path: read.append(path) or stamped_digest(path))
    with distrusting(False):
        assert memory.digest(path) == digest_once(path) == memory.digest(path)
        assert Memory().digest(path) == memory.digest(path)
    assert len(read) == memory.kept == 1
    with distrusting(True):
        digest_once(path)
        memory.digest(path)
    assert len(read) == 2


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"original")
    original = hashlib.file_digest

    def growing(stream, name):
        found = original(stream, name)
        with path.open("ab") as more:
            more.write(b"!")
        return found

    monkeypatch.setattr(hashlib, "file_digest", growing)
    with pytest.raises(OSError, match="changes while it is read"):
        stamped_digest(path)
