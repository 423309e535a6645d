"""Damaged files: named in one line, nothing made worse, and mended from the backup and the journal."""

from __future__ import annotations

import random
import shutil
import signal
import time

import pytest

from nova_bench.store import Store
from tests import warm

UNITS = 6


@pytest.fixture
def tell(tmp_path):
    return lambda *arguments: warm.finish(arguments, tmp_path, tmp_path / "said")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run, made once."""
    return tmp_path_factory.mktemp("finished")


@pytest.fixture
def store(finished, write_suite, tmp_path, tell):
    """A copy of a finished run."""
    suite = write_suite(model={"adapter": "drift", "seconds": 0.05})
    if not (finished / "store").exists():
        code, said = warm.finish(["run", suite, "--store", "store", "-q"], finished, finished / "said")
        assert code == 0, said
    return shutil.copytree(finished / "store", tmp_path / "store")


def _generations(root):
    return (root / "artifacts" / "journal.jsonl").read_text().count('"unit"')


def _artifact(root):
    return sorted((root / "artifacts").glob("*/*.mp4"))[0]


def _overwrite(path, offset, length=None):
    content = bytearray(path.read_bytes())
    length = len(content) - offset if length is None else length
    content[offset : offset + length] = random.Random(0).randbytes(length)
    path.write_bytes(content)


def test_a_truncated_artifact_is_made_again(store, tell, contents):
    before = contents(store)
    path = _artifact(store)
    path.write_bytes(path.read_bytes()[:100])
    code, said = tell("store", "verify", "--store", "store")
    assert code == 3
    assert f"{path.name}: changed since it was recorded" in said
    code, said = tell("run", "suite.yaml", "--store", "store", "-q")
    assert code == 0, said
    assert contents(store) == before
    assert _generations(store) == UNITS + 1


def test_a_missing_artifact_is_made_again(store, tell, contents):
    before = contents(store)
    _artifact(store).unlink()
    code, said = tell("run", "suite.yaml", "--store", "store", "-q")
    assert code == 0, said
    assert contents(store) == before
    assert _generations(store) == UNITS + 1


def test_verify_names_a_flipped_bit(store, tell):
    path = _artifact(store)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, said = tell("store", "verify", "--store", "store")
    assert code == 3
    assert said.splitlines()[0].endswith(f"{path.name}: changed since it was recorded")
    assert "1 damaged" in said


def _header(database):
    _overwrite(database, 0, 100)


def _middle_page(database):
    _overwrite(database, 2 * 4096, 4096)


def _half(database):
    database.write_bytes(database.read_bytes()[: database.stat().st_size // 2 + 7])


def _emptied(database):
    database.write_bytes(b"")


def _all_zeros(database):
    database.write_bytes(bytes(database.stat().st_size))


DAMAGES = [_header, _middle_page, _half, _emptied, _all_zeros]


def _refused(tell, root, *expected):
    """`run` ends in one clear line and changes no byte of what is there."""

    def files():
        # The lock is taken and given back; the index beside a log is SQLite's own, made anew by whoever opens it.
        passing = ("store.lock", "store.sqlite-shm")
        return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name not in passing}

    before = files()
    for command in (("run", "suite.yaml", "--store", "store"), ("plan", "suite.yaml", "--store", "store")):
        code, said = tell(*command)
        if command[0] == "plan" and not (root / "store.sqlite").exists():
            continue  # `plan` needs no store
        assert code == 2, said
        first, second = said.splitlines()
        assert first.startswith(f"error: {'store'}/store.sqlite: the database is damaged (")
        assert "nova_bench store restore --store store" in second
    assert {**files(), **before} == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_refused_and_restored(store, tell, contents, damage):
    before = contents(store)
    damage(store / "store.sqlite")
    damaged = (store / "store.sqlite").read_bytes()
    _refused(tell, store)
    code, said = tell("store", "restore", "--store", "store")
    assert code == 0, said
    assert "restored from the backup" in said
    (kept,) = store.glob("store.damaged-*.sqlite")
    assert kept.read_bytes() == damaged
    assert contents(store) == before, "the backup of a finished run has everything"
    code, said = tell("run", "suite.yaml", "--store", "store")
    assert "6 samples were there already" in said
    assert "12 scores were there already" in said
    assert contents(store) == before


def test_a_lost_database_is_not_begun_anew_in_silence(store, tell, contents):
    before = contents(store)
    (store / "store.sqlite").unlink()
    _refused(tell, store)
    assert not (store / "store.sqlite").exists()
    assert tell("store", "restore", "--store", "store")[0] == 0
    assert contents(store) == before


def test_without_a_backup_the_journal_knows_every_video(store, tell, contents):
    before = contents(store)
    (store / "store.backup.sqlite").unlink()
    _header(store / "store.sqlite")
    _refused(tell, store)
    code, said = tell("store", "restore", "--store", "store")
    assert code == 0
    assert "no intact backup" in said
    assert f"further videos found: {UNITS}" in said
    code, said = tell("run", "suite.yaml", "--store", "store")
    assert code == 0, said
    assert contents(store) == before
    assert _generations(store) == UNITS, "nothing was generated twice"


def _killed_after(store_name, videos, tmp_path):
    """Kill a run once that many more videos are in the journal."""
    root = tmp_path / store_name
    wanted = videos + (_generations(root) if (root / "artifacts").exists() else 0)
    arguments = ["run", "suite.yaml", "--store", store_name, "--batch-size", 1]
    process = warm.start(arguments, tmp_path, tmp_path / "said")
    while process.is_alive() and not ((root / "artifacts" / "journal.jsonl").exists() and _generations(root) >= wanted):
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    return root


@pytest.mark.slow
def test_videos_made_after_the_backup_come_back(write_suite, tmp_path, tell, contents):
    write_suite(model={"adapter": "drift", "seconds": 0.05})
    assert tell("run", "suite.yaml", "--store", "whole")[0] == 0
    assert tell("run", "suite.yaml", "--store", "store", "--limit", 2)[0] == 0
    root = _killed_after("store", 2, tmp_path)
    made = _generations(root)
    assert 4 <= made < UNITS
    _header(root / "store.sqlite")
    (root / "store.sqlite-wal").unlink()  # or SQLite would mend the header from it
    _refused(tell, root)
    code, said = tell("store", "restore", "--store", "store")
    assert code == 0
    assert f"further videos found: {made - 2}" in said
    code, said = tell("run", "suite.yaml", "--store", "store")
    assert code == 0, said
    assert contents(root) == contents(tmp_path / "whole")
    assert _generations(root) == UNITS, "nothing was generated twice"


@pytest.mark.slow
def test_a_garbled_log_is_refused_and_restored(write_suite, tmp_path, tell, contents):
    write_suite(model={"adapter": "drift", "seconds": 0.05})
    assert tell("run", "suite.yaml", "--store", "whole")[0] == 0
    root = _killed_after("store", 3, tmp_path)
    _overwrite(root / "store.sqlite-wal", 0)
    _refused(tell, root)
    assert tell("store", "restore", "--store", "store")[0] == 0
    code, said = tell("run", "suite.yaml", "--store", "store")
    assert code == 0, said
    assert contents(root) == contents(tmp_path / "whole")
    assert _generations(root) == UNITS, "nothing was generated twice"


def test_commits_lost_from_the_end_of_the_log_cost_no_video(write_suite, tmp_path, tell, contents):
    """As after a power cut: the log ends early, the journal does not."""
    write_suite(model={"adapter": "drift", "seconds": 0.05})
    assert tell("run", "suite.yaml", "--store", "whole")[0] == 0
    root = _killed_after("store", 3, tmp_path)
    log = root / "store.sqlite-wal"
    _overwrite(log, log.stat().st_size * 3 // 4)
    code, said = tell("run", "suite.yaml", "--store", "store")
    assert code == 0, said
    assert contents(root) == contents(tmp_path / "whole")
    assert _generations(root) == UNITS, "nothing was generated twice"


def test_a_sound_database_is_replaced_only_by_force(store, tell, contents):
    before = contents(store)
    code, said = tell("store", "restore", "--store", "store")
    assert code == 2
    assert "is not damaged" in said
    assert "store restore --force" in said
    assert not list(store.glob("store.damaged-*"))
    for _ in range(2):  # within one second
        assert tell("store", "restore", "--force", "--store", "store")[0] == 0
    assert len(list(store.glob("store.damaged-*.sqlite"))) == 2
    assert contents(store) == before


def test_a_log_without_its_database_is_moved_aside(store, tell, contents):
    before = contents(store)
    for suffix in ("-wal", "-shm"):
        (store / f"store.sqlite{suffix}").write_bytes(bytes(5000))
    (store / "store.sqlite").unlink()
    code, said = tell("store", "restore", "--store", "store")
    assert code == 0, said
    assert len(list(store.glob("store.damaged-*.sqlite-wal"))) == 1
    assert contents(store) == before


@pytest.mark.parametrize("damage", [_header, _half])
def test_a_damaged_backup_is_moved_aside_too(store, tell, contents, damage):
    before = contents(store)
    for name in ("store.sqlite", "store.backup.sqlite"):
        damage(store / name)
    code, said = tell("store", "restore", "--store", "store")
    assert code == 0, said
    assert "no intact backup" in said
    assert f"further videos found: {UNITS}" in said
    assert len(list(store.glob("store.backup.damaged-*.sqlite"))) == 1
    code, said = tell("run", "suite.yaml", "--store", "store")
    assert code == 0, said
    assert contents(store) == before


def test_a_backup_of_the_future_is_no_newer(store, tell):
    import os

    backup = store / "store.backup.sqlite"
    old = backup.read_bytes()
    os.utime(backup, (2**32, 2**32))
    assert tell("run", "suite.yaml", "--store", "store", "--limit", 3)[0] == 0
    assert backup.read_bytes() != old


def test_a_torn_journal_line_is_skipped(store, tell, contents):
    before = contents(store)
    journal = store / "artifacts" / "journal.jsonl"
    with journal.open("ab") as stream:
        stream.write(b'\n{"unit": "0123')
    for name in ("store.sqlite", "store.backup.sqlite"):
        (store / name).unlink()
    assert tell("store", "restore", "--store", "store")[0] == 0
    with Store.reader(store) as opened:
        found = opened.artifacts(before["artifacts"])
    assert {unit: artifact.sha256 for unit, artifact in found.items()} == {
        unit: sha256 for unit, (sha256, _) in before["artifacts"].items()
    }


def test_another_version_is_refused_by_name(store, tell):
    import sqlite3

    with sqlite3.connect(store / "store.sqlite") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    code, said = tell("run", "suite.yaml", "--store", "store")
    assert code == 2
    assert "another version of nova_bench (layout 99" in said
