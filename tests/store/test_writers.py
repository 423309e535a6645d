"""One writer at a time; readers beside it; a lock that dies with its holder."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests import warm


@pytest.fixture
def slow_run(write_suite, tmp_path):
    """A run in its generation, and its store."""
    write_suite(model={"adapter": "drift", "seconds": 0.3})
    arguments = ["run", "suite.yaml", "--store", "store", "--batch-size", 1]
    process = warm.start(arguments, tmp_path, tmp_path / "first")
    journal = tmp_path / "store" / "artifacts" / "journal.jsonl"
    while process.is_alive() and not journal.exists():
        time.sleep(0.01)
    yield process, tmp_path / "store"
    process.kill()
    process.join()


def _tell(tmp_path, *arguments):
    return warm.finish(arguments, tmp_path, tmp_path / "said")


def test_a_second_writer_is_refused_and_the_first_goes_on(slow_run, tmp_path, contents):
    first, store = slow_run
    code, said = _tell(tmp_path, "run", "suite.yaml", "--store", "store")
    assert first.is_alive()
    assert code == 2
    message, remedy = said.splitlines()
    assert message.startswith(f"error: store: another process is writing to this store (process {first.pid} on ")
    assert "--store FOLDER" in remedy
    code, said = _tell(tmp_path, "store", "restore", "--store", "store")
    assert code == 2
    assert "another process is writing" in said
    first.join()
    assert first.exitcode == 0, (tmp_path / "first").read_text()
    assert len(contents(store)["rows"]) == 12
    assert not (store / "store.owner.json").exists()


def test_reading_while_another_process_writes(slow_run, tmp_path):
    first, _ = slow_run
    code, said = _tell(tmp_path, "plan", "suite.yaml", "--store", "store")
    assert code == 0, said
    done = next(int(line.split()[1]) for line in said.splitlines() if line.startswith("samples"))
    assert 1 <= done < 6
    code, said = _tell(tmp_path, "report", "--store", "store", "--out", "early")
    assert code == 3, "no score is there yet, and the report says so"
    assert (tmp_path / "early" / "report" / "samples.csv").is_file()
    assert first.is_alive()
    first.join()
    assert first.exitcode == 0, (tmp_path / "first").read_text()


def test_a_lock_dies_with_its_holder(slow_run, tmp_path):
    first, store = slow_run
    first.kill()
    first.join()
    assert first.exitcode == -signal.SIGKILL
    assert json.loads((store / "store.owner.json").read_text())["pid"] == first.pid
    code, said = _tell(tmp_path, "run", "suite.yaml", "--store", "store", "--set", "model.seconds=0.3")
    assert code == 0, said
    assert not (store / "store.owner.json").exists()
