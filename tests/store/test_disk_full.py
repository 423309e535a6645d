"""A full disk ends a run in one line, keeps what was finished, and the same command continues once there is room."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from nova_bench.config.loading import load_suite
from nova_bench.core.errors import StoreError, UserError
from nova_bench.core.progress import Progress
from nova_bench.experiments.benchmark.run import run_suite
from nova_bench.store import Draft, FailedUnit, Row, Status, Store
from tests import warm

ROW = Row("a" * 64, "i" * 64, "", "brightness", "1", Status.OK, 0.25)


@pytest.fixture
def suite(write_suite):
    return write_suite(sampling={"num_frames": 8, "height": 128, "width": 128})


def _run(store, tmp_path, *more):
    return warm.finish(["run", "suite.yaml", "--batch-size", 1, "--store", store, *more], tmp_path, tmp_path / "said")


def _is_one_clear_line(said):
    *_, error, remedy = said.splitlines()
    assert said.count("error") == 1, said
    assert "Traceback" not in said
    assert error.startswith("error: ")
    assert "full; everything finished so far is kept" in error
    assert remedy.startswith("  try: free")


@pytest.mark.slow
def test_full_while_videos_are_written(suite, tmp_path, small_disk, contents):
    more = ("--set", "prompts.samples_per_prompt=6")
    code, said = _run("whole", tmp_path, *more)
    assert code == 0, said
    disk = small_disk("size=250k")
    code, said = _run(disk / "store", tmp_path, *more)
    assert code == 2, said
    _is_one_clear_line(said)
    with Store.reader(disk / "store") as store:
        ((_, run, _),) = store.run_names()
        before = store.artifacts(unit["digest"] for unit in store.run(run).units)
        assert list(store.verify()) == []
    assert 0 < len(before) < 18
    small_disk("size=50m")
    code, said = _run(disk / "store", tmp_path, *more)
    assert code == 0, said
    assert contents(disk / "store") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_full_while_workers_write(suite, tmp_path, small_disk, contents, monkeypatch):
    """Their files are on the disk before the store has them; they go, what the store has stays."""
    from nova_bench.execute import crew

    more = (
        "prompts.samples_per_prompt=6",
        "execution.batch_size=1",
        "execution.executor=local",
        "execution.device=cpu",
    )

    def run(store, *executor):
        loaded = load_suite(str(suite), [*more, "execution.workers=2"])
        run_suite(loaded, store, None, Progress(quiet=True))

    run(tmp_path / "whole")
    disk = small_disk("size=250k")
    with pytest.raises(UserError, match=r"the worker on .* has 0 MiB left in .*/artifacts/"):
        run(disk / "store")
    monkeypatch.setattr(crew, "LEAST_FREE_BYTES", 0)
    with pytest.raises(StoreError, match="full; everything finished so far is kept"):
        run(disk / "store")
    assert not list((disk / "store/artifacts").glob(".*"))
    with Store.reader(disk / "store") as store:
        ((_, run_id, _),) = store.run_names()
        assert 0 < len(store.artifacts(unit["digest"] for unit in store.run(run_id).units)) < 18
        assert list(store.verify()) == []
    small_disk("size=50m")
    run(disk / "store")
    assert contents(disk / "store") == contents(tmp_path / "whole")


def test_full_at_any_later_moment(suite, tmp_path, small_disk, contents):
    code, said = _run("whole", tmp_path)
    assert code == 0, said
    disk = small_disk("size=50m")
    code, said = _run(disk / "store", tmp_path, "--set", "scorers=[brightness]")
    assert code == 0, said
    before = {path: path.read_bytes() for path in (disk / "store" / "artifacts").rglob("*.mp4")}
    ballast = disk / "ballast"
    for free in (0, 50_000, 90_000):
        _fill(ballast, disk, free)
        code, said = _run(disk / "store", tmp_path)
        assert code == 2, said
        _is_one_clear_line(said)
        ballast.unlink()
        assert {path: path.read_bytes() for path in before} == before
    code, said = _run(disk / "store", tmp_path)
    assert code == 0, said
    assert _rows(disk / "store") == _rows(tmp_path / "whole")


def _rows(root):
    """Values of the run that has both scorers."""
    with Store.reader(root) as store:
        (run,) = (store.run(run) for _, run, _ in store.run_names() if len(store.run(run).scorers) == 2)
        rows = store.rows(scorer["identity"] for scorer in run.scorers)
    assert len(rows) == 12
    return {key: (row.status, row.value) for key, row in rows.items()}


def _fill(ballast, disk, free):
    """Leave about ``free`` bytes."""
    status = os.statvfs(disk)
    with ballast.open("wb") as stream:
        stream.write(bytes(max(0, status.f_bavail * status.f_frsize - free)))


def test_full_while_rows_are_committed(small_disk):
    disk = small_disk("size=2m")
    bulky = [replace(ROW, artifact=f"{index:064}", details={"text": "x" * 1000}) for index in range(300)]
    with Store.writer(disk / "store") as store:
        store.add_rows([ROW])
        _fill(disk / "ballast", disk, 100_000)
        with pytest.raises(StoreError, match="full") as caught:
            store.add_rows(bulky)
        assert "free" in caught.value.remedy
        assert store.rows(["i" * 64]) == {ROW.key: ROW}, "a commit is all or nothing"
        (disk / "ballast").unlink()
        store.add_rows(bulky)
    with Store.reader(disk / "store") as store:
        assert len(store.rows(["i" * 64])) == 301


def test_full_disk_is_told_from_a_video_that_cannot_be_encoded(small_disk):
    """The first stops the run, for no other video would fit either; the second concerns one video."""
    disk = small_disk("size=1m")

    def bad(path):
        raise ValueError("no such codec")

    with Store.writer(disk / "store") as store:
        good = Draft("good", ".bin", lambda path: path.write_bytes(b"x"))
        results = store.add_units([Draft("bad", ".bin", bad), good])
        assert results[0] == FailedUnit("bad", "ValueError: no such codec")
        assert results[1].path.read_bytes() == b"x"
        with pytest.raises(StoreError, match="disk is full"):
            store.add_units([Draft("big", ".bin", lambda path: path.write_bytes(bytes(2**21)))])
        assert set(store.artifacts(["good", "bad", "big"])) == {"good", "bad"}
