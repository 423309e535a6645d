"""A store on read-only media can be read with every command that only reads; `run` says in one line that it can't."""

from __future__ import annotations

import signal
import time

import pytest

from nova_bench.store import Store
from tests import warm


@pytest.fixture
def tell(tmp_path):
    return lambda *arguments: warm.finish(arguments, tmp_path, tmp_path / "said")


def _bytes(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_reading_a_read_only_store(write_suite, tmp_path, small_disk, tell):
    write_suite()
    disk = small_disk("size=50m")
    store = disk / "store"
    code, said = tell("run", "suite.yaml", "--store", store)
    assert code == 0, said
    small_disk("ro")
    before = _bytes(disk)
    code, said = tell("run", "suite.yaml", "--store", store)
    assert code == 2
    first, second = said.splitlines()
    assert first.startswith(f"error: {store}")
    assert "can't be written" in first
    assert "--store" in second
    code, said = tell("plan", "suite.yaml", "--store", store)
    assert code == 0, said
    assert ["samples", "6", "0"] in [line.split()[:3] for line in said.splitlines()]
    code, said = tell("store", "runs", "--store", store)
    assert (code, "smoke-" in said) == (0, True)
    code, said = tell("store", "verify", "--store", store)
    assert (code, said) == (0, "all files are intact\n")
    code, said = tell("report", "--store", store, "--out", tmp_path / "out")
    assert code == 0, said
    (original,) = store.glob("*/report/samples.csv")
    assert (tmp_path / "out" / "report" / "samples.csv").read_bytes() == original.read_bytes()
    assert _bytes(disk) == before


def test_a_killed_run_made_read_only_shows_what_it_had(write_suite, tmp_path, small_disk):
    """What is only in the write-ahead log counts."""
    write_suite(model={"adapter": "drift", "seconds": 0.1})
    disk = small_disk("size=50m")
    arguments = ["run", "suite.yaml", "--batch-size", 1, "--store", disk / "store"]
    process = warm.start(arguments, tmp_path, tmp_path / "said")
    journal = disk / "store" / "artifacts" / "journal.jsonl"
    while process.is_alive() and not (journal.exists() and journal.read_text().count('"unit"') >= 3):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert (disk / "store" / "store.sqlite-wal").stat().st_size > 0
    small_disk("ro")
    with Store.reader(disk / "store") as store:
        ((_, run, _),) = store.run_names()
        assert 2 <= len(store.artifacts(unit["digest"] for unit in store.run(run).units)) < 6
