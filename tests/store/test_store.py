"""The store through its own methods."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.core.errors import StoreError
from nova_bench.store import Artifact, Draft, FailedUnit, Row, Status, Store
from nova_bench.store.store import stored_run

ROW = Row("a" * 64, "i" * 64, "", "brightness", "1", Status.OK, 0.25, details={"frames": [0.25]}, seconds=0.5)


def _draft(unit, content):
    return Draft(unit, ".bin", lambda path: path.write_bytes(content), 1.5, {"steps": 3})


def test_a_batch_is_read_back_as_it_went_in(tmp_path):
    outside = tmp_path / "mine.mp4"
    outside.write_bytes(b"mine")
    external = Artifact("c", "0" * 64, outside, 4, external=True)
    with Store.writer(tmp_path / "store") as store:
        added = store.add_units([_draft("a", b"one"), FailedUnit("b", "no"), external, _draft("d", b"one")])
    with Store.reader(tmp_path / "store") as store:
        found = store.artifacts("abcde")
    assert [found[unit] for unit in "abcd"] == added
    assert "e" not in found
    assert found["a"].path == found["d"].path, "equal content is one file"
    assert found["a"].path.read_bytes() == b"one"
    assert (found["a"].seconds, found["a"].details) == (1.5, {"steps": 3})
    assert found["c"].path == outside


def test_a_failed_unit_becomes_an_artifact(tmp_path):
    with Store.writer(tmp_path) as store:
        store.add_units([FailedUnit("a", "no")])
        store.add_units([_draft("a", b"yes")])
        assert isinstance(store.artifacts("a")["a"], Artifact)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    weight=st.floats(min_value=0, allow_infinity=False),
    message=st.text(st.characters(exclude_categories=["Cs"])),
    key=st.uuids().map(str),
)
def test_rows_come_back_bit_for_bit(tmp_path_factory, value, weight, message, key):
    row = replace(ROW, artifact=key, value=value, weight=weight, message=message)
    root = tmp_path_factory.mktemp("store")
    with Store.writer(root) as store:
        store.add_rows([row])
        assert store.rows([row.identity], details=True) == {row.key: row}


def test_a_row_of_the_same_key_is_replaced(tmp_path):
    with Store.writer(tmp_path) as store:
        store.add_rows([replace(ROW, status=Status.FAILED, value=None, message="no")])
        store.add_rows([ROW])
        assert store.rows([ROW.identity], details=True) == {ROW.key: ROW}
        assert store.rows([ROW.identity])[ROW.key].details == {}, "details only on request"


def test_what_is_looked_up_may_be_any_number_of_keys(tmp_path):
    units = [f"unit-{index}" for index in range(1203)]
    with Store.writer(tmp_path) as store:
        store.add_units([FailedUnit(unit, "no") for unit in units])
        assert set(store.artifacts(units)) == set(units)


def test_a_run_keeps_its_date_and_takes_what_changed(tmp_path):
    def units(*places: str) -> list[dict]:
        return [{"digest": f"u{number}", "source": place} for number, place in enumerate(places)]

    first = stored_run("r1", "smoke-r1", {"title": "old"}, [], units("here", "here"))
    moved = stored_run("r1", "smoke-r1", {"title": "new"}, [], units("here", "there"))
    with Store.writer(tmp_path) as store:
        store.add_run(replace(first, created="2020-01-01T00:00:00+00:00"))
        store.add_run(moved)
        assert store.run("smoke-r1") == replace(moved, created="2020-01-01T00:00:00+00:00")
        with pytest.raises(StoreError, match="no run 'x'") as caught:
            store.run("x")
        assert "smoke-r1" in caught.value.remedy


def test_timings_add_up_over_runs(tmp_path):
    for items, seconds in ((2, 1.0), (6, 7.0)):
        with Store.writer(tmp_path) as store:
            store.add_timing("score", "decode", "cpu", items, seconds)
    with Store.reader(tmp_path) as store:
        assert store.seconds_per_item() == {("score", "decode", "cpu"): 1.0}


def test_a_digest_is_remembered_until_the_file_changes(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    with Store.writer(tmp_path / "store") as store:
        first = store.file_digest(path)
        assert store.file_digest(path) == first
        path.write_bytes(b"other")
        assert store.file_digest(path) != first


def test_a_backup_is_made_when_something_changed_and_only_then(tmp_path):
    with Store.writer(tmp_path) as store:
        store.add_rows([ROW])
        store.back_up()
    backup = tmp_path / "store.backup.sqlite"
    first = backup.stat().st_mtime_ns
    with Store.writer(tmp_path) as store:
        store.back_up()
    assert backup.stat().st_mtime_ns == first
    with Store.writer(tmp_path) as store:
        store.add_rows([replace(ROW, inputs="x")])
        store.back_up()
    assert backup.stat().st_mtime_ns > first


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    with Store.writer(tmp_path) as store:
        store.add_units([_draft("a", b"one")])
    run = tmp_path / "smoke-123456" / "report"
    run.mkdir(parents=True)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = [tmp_path / f".writing-{dead.pid}-x.sqlite", tmp_path / "artifacts" / f".writing-{dead.pid}-y.mp4"]
    left += [run / f".writing-{dead.pid}-z.csv", run / ".writing-odd"]
    fresh = run / f".writing-{os.getppid()}-z.csv"
    for path in (*left, fresh):
        path.touch()
    with Store.writer(tmp_path):
        assert not any(path.exists() for path in left)
        assert fresh.exists(), "a `report` may be writing it right now"


def test_reading_where_there_is_no_store(tmp_path):
    with pytest.raises(StoreError, match="no store here") as caught, Store.reader(tmp_path):
        pass
    assert "--store" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
