"""`kill -9` at any moment, again and again, then the same command: the same rows as a run that nobody touched."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests import warm

UNITS = 12
ARGUMENTS = ("run", "suite.yaml", "--batch-size", 2)


@pytest.fixture
def suite(write_suite):
    return write_suite(
        model={"adapter": "drift", "seconds": 0.02},
        prompts={"samples_per_prompt": 3, "entries": ["a cat", "a dog", "a house", "a tree"]},
    )


def _finish(store, tmp_path, more=()):
    code, said = warm.finish([*ARGUMENTS, "--store", store, *more], tmp_path, tmp_path / "said")
    assert code == 0, said
    return tmp_path / store


def _check_killed_at_random(seed, kills, tmp_path, contents, more=()):
    """Kill runs after random times, each of which continues the one before, until that many were really cut short.

    Whenever a run ends before it is killed, its rows are compared, and the next one begins a new store.
    """
    expected = contents(_finish("whole", tmp_path))
    assert len(expected["rows"]) == 2 * UNITS
    started = time.perf_counter()
    assert contents(_finish("timed", tmp_path, more)) == expected
    longest = time.perf_counter() - started
    rng = random.Random(seed)
    stores = (f"killed-{count}" for count in itertools.count())
    store, killed = next(stores), 0
    while killed < kills:
        process = warm.start([*ARGUMENTS, "--store", store, *more], tmp_path, tmp_path / "said")
        process.join(rng.uniform(0, longest))
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            killed += 1
            continue
        assert process.exitcode == 0, (tmp_path / "said").read_text()
        assert contents(tmp_path / store) == expected
        store = next(stores)
    assert contents(_finish(store, tmp_path, more)) == expected


@pytest.mark.slow
def test_killed_at_random_times(suite, tmp_path, contents):
    _check_killed_at_random(0, 6, tmp_path, contents)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_killed_at_many_random_times(suite, tmp_path, contents, seed):
    _check_killed_at_random(seed, 25, tmp_path, contents)


@pytest.mark.slow
def test_killed_at_random_times_with_worker_processes(suite, tmp_path, contents):
    _check_killed_at_random(9, 10, tmp_path, contents, more=("--executor", "local", "--workers", 2))


def _crash_at_steps(steps, suite, tmp_path, contents):
    """Crash once just before each of these syncs or renames, each time in a new store; finish, and compare."""
    expected = contents(_finish("whole", tmp_path))
    for step in steps:
        store = f"crashed-{step}"
        process = warm.start([*ARGUMENTS, "--store", store], tmp_path, tmp_path / "said", crash_at=step)
        process.join(warm.PATIENCE_SECONDS)
        if process.exitcode == 0:
            return step
        assert process.exitcode == -signal.SIGKILL
        assert contents(_finish(store, tmp_path)) == expected
    return None


def test_crashes_just_before_something_becomes_durable(suite, tmp_path, contents):
    # Among them: files of the first and of later batches, journal lines, the backup, the manifest, the report.
    assert _crash_at_steps([0, 4, 13, 35, 64, 70], suite, tmp_path, contents) is None


@pytest.mark.slow
@pytest.mark.parametrize("first", range(7))
def test_crashes_before_every_sync_and_rename(suite, tmp_path, contents, first):
    """In seven parts, so that none takes longer than a few minutes."""
    steps = _crash_at_steps(range(first, 1000, 7), suite, tmp_path, contents)
    assert steps is not None, "one run has fewer steps than that"
    assert steps > 5 * UNITS


@pytest.mark.slow
def test_a_real_process_killed_with_its_whole_group(suite, tmp_path, environment, contents):
    expected = contents(_finish("whole", tmp_path))
    command = [sys.executable, "-m", "nova_bench", *map(str, ARGUMENTS), "--store", "killed"]
    journal = tmp_path / "killed" / "artifacts" / "journal.jsonl"
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    while process.poll() is None and not (journal.exists() and journal.read_text().count('"unit"') >= 4):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    made = journal.read_text().count('"unit"')
    assert 4 <= made < UNITS
    assert contents(_finish("killed", tmp_path)) == expected
    # What was finished before the kill was not made again.
    assert journal.read_text().count('"unit"') == UNITS


@pytest.mark.slow
def test_killed_between_and_within_the_rounds_of_a_filter(write_suite, tmp_path, contents):
    """As with VBench's static filter: a prompt's samples are made and judged until enough of them are kept."""
    keep = {"name": "brightness", "keep": {"scorer": "even", "first": 3}}
    slow = {"name": "even", "settings": {"seconds": 0.1}}
    write_suite(prompts={"samples_per_prompt": 12, "entries": ["a cat", "a dog", "a house"]}, scorers=[keep, slow])
    arguments = [*ARGUMENTS[:-1], 1, "--store"]
    assert warm.finish([*arguments, "whole"], tmp_path, tmp_path / "said")[0] == 0
    expected = contents(tmp_path / "whole")
    first_round, most = 3 * 3 * 2, UNITS * 3 * 2  # both scorers see three samples of three prompts, or all of them
    assert first_round + 2 <= len(expected["rows"]) < most, "a second round, and samples that nobody makes"
    store = tmp_path / "killed"
    for wanted in (4, first_round - 4, first_round, first_round + 1):
        process = warm.start([*arguments, store.name], tmp_path, tmp_path / "said")
        until = time.monotonic() + warm.PATIENCE_SECONDS
        while process.is_alive() and _rows(store) < wanted and time.monotonic() < until:
            time.sleep(0.002)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, (tmp_path / "said").read_text()
        assert wanted <= _rows(store) < len(expected["rows"])
    assert warm.finish([*arguments, store.name], tmp_path, tmp_path / "said")[0] == 0
    assert contents(store) == expected


def _rows(store):
    """How many scores are stored."""
    path = store / "store.sqlite"
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        try:
            return database.execute("SELECT count(*) FROM rows").fetchone()[0]
        except sqlite3.OperationalError:  # the file is there, its tables not yet
            return 0
