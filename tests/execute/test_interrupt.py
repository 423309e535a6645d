"""Ctrl-C and SIGTERM: exit 130, how to continue, no traceback, and no process left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import warm

WORKERS = ("--executor", "processes", "--workers", "2")


@pytest.fixture
def started(write_suite, tmp_path, environment):
    """Start a slow run in a session of its own and wait until it generates, starts its workers, or scores."""
    processes = []
    store = tmp_path / "store"
    log = tmp_path / "log"

    def begun(stage, process):
        if stage == "generate":
            return (store / "artifacts" / "journal.jsonl").exists()
        if stage == "start":
            return "stage=generate done=6" in log.read_text() and len(_session(process.pid)) > 1
        return (store / "store.sqlite").exists() and _rows(store) > 0

    def start(stage, *more):
        write_suite(
            model={"adapter": "drift", "seconds": 0.2 if stage == "generate" else 0},
            scorers=[{"name": "brightness", "settings": {"seconds": 1}}, {"name": "roughness"}],
        )
        command = [sys.executable, "-m", "nova_bench", "run", "suite.yaml", "--store", "store", "--batch-size", "1"]
        process = subprocess.Popen(
            [*command, *more],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=log.open("w"),
            start_new_session=True,
        )
        processes.append(process)
        while process.poll() is None and not begun(stage, process):
            time.sleep(0.02)
        return process, log

    yield start
    for process in processes:
        for member in _session(process.pid):
            os.kill(member, signal.SIGKILL)


def _rows(store):
    """How many scores are stored."""
    with contextlib.closing(sqlite3.connect(f"file:{store / 'store.sqlite'}?mode=ro", uri=True)) as database:
        try:
            return database.execute("SELECT count(*) FROM rows").fetchone()[0]
        except sqlite3.OperationalError:  # the file is there, its tables not yet
            return 0


def _session(leader):
    """Living processes of a session (Linux)."""
    members = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] not in "ZX":
            members.append(int(status.parent.name))
    return members


def _nobody_left(leader):
    until = time.monotonic() + warm.PATIENCE_SECONDS
    while (left := _session(leader)) and time.monotonic() < until:
        time.sleep(0.05)
    return not left


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for left-over processes in /proc")
@pytest.mark.parametrize(
    ("stage", "more", "number", "to_group"),
    [
        pytest.param("generate", (), signal.SIGINT, True, id="Ctrl-C while generating"),
        pytest.param("score", (), signal.SIGTERM, False, id="SIGTERM while scoring"),
        pytest.param("start", WORKERS, signal.SIGINT, True, id="Ctrl-C while workers start"),
        pytest.param("score", WORKERS, signal.SIGTERM, False, id="SIGTERM while workers score"),
    ],
)
def test_interrupted(started, stage, more, number, to_group):
    process, log = started(stage, *more)
    assert process.poll() is None, "still running when the signal comes"
    (os.killpg if to_group else os.kill)(process.pid, number)
    code = process.wait()
    said = log.read_text()
    assert code == 130, said
    assert "Traceback" not in said
    assert "everything finished is kept. To continue: python -m nova_bench run suite.yaml --store store" in said
    assert _nobody_left(process.pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for left-over processes in /proc")
def test_workers_end_with_a_parent_that_is_killed(started):
    process, _ = started("start", *WORKERS)
    while len(_session(process.pid)) < 3 and process.poll() is None:
        time.sleep(0.02)
    assert len(_session(process.pid)) >= 3, "parent and two workers"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert _nobody_left(process.pid)
