"""Wherever scoring runs, the rows are the same."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import threading
import time

import pytest

from nova_bench.config.suite import ExecutionSpec
from nova_bench.core.errors import UserError
from nova_bench.core.steps import report_step
from nova_bench.execute import local, slow_steps
from nova_bench.execute.choice import executor_of
from nova_bench.execute.crew import Crew
from nova_bench.execute.inline import InlineExecutor
from nova_bench.execute.local import LocalExecutor
from nova_bench.execute.process import WorkerProcess
from nova_bench.store import Status
from tests.warm import PATIENCE_SECONDS


@pytest.fixture
def expected(run_library):
    rows = run_library("inline")
    assert len(rows) == 12
    assert all(status == Status.OK for status, *_ in rows.values())
    return rows


@pytest.mark.parametrize(
    ("workers", "batch"),
    [(1, 8), *(pytest.param(*case, marks=pytest.mark.slow) for case in [(2, 2), (3, 1)])],
    ids=lambda value: str(value),
)
def test_worker_processes_give_the_same_rows(run_library, expected, workers, batch):
    assignments = (f"execution.workers={workers}", f"execution.batch_size={batch}")
    assert run_library("local", "execution.executor=local", *assignments) == expected


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is installed")
def test_without_ray_the_remedy_is_named():
    with pytest.raises(UserError, match="needs the package ray") as caught:
        executor_of(ExecutionSpec(executor="ray"))
    assert "nova_bench[ray]" in caught.value.remedy


@pytest.mark.parametrize("size", [1, 2, 5])
def test_the_batch_size_changes_no_row(run_library, expected, size):
    assert run_library(f"size-{size}", f"execution.batch_size={size}") == expected


def test_memory_that_runs_out_halves_batches_and_is_said(run_library, expected, capsys):
    assignments = (
        "model={adapter: drift, memory: 2}",
        "scorers=[{name: brightness, settings: {memory: 1}}, {name: roughness}]",
        "execution.batch_size=6",
    )
    rows = run_library("store", *assignments)
    assert sorted(value for _, value, *_ in rows.values()) == sorted(value for _, value, *_ in expected.values())
    said = capsys.readouterr().err
    assert "out of memory with a batch of 6; continuing with 3" in said
    assert "out of memory with a batch of 3; continuing with 1" in said


def test_a_sample_that_cannot_be_scored_fails_alone(run_library, expected):
    values = sorted(float.fromhex(value) for (_, identity, _), (_, value, *_) in expected.items())
    darkest = min(values)
    rows = run_library(
        "store", f"scorers=[{{name: brightness, settings: {{fail_below: {darkest + 1e-9}}}}}, {{name: roughness}}]"
    )
    failed = [message for status, _, _, message, _ in rows.values() if status == Status.FAILED]
    assert failed == [f"ValueError: too dark: {darkest:.3f}"]
    assert len(rows) == 12


def _double(items):
    yield from (2 * item for item in items)


def _never_lost(item, problem):
    raise AssertionError(problem)


@pytest.mark.parametrize("executor", [InlineExecutor(), LocalExecutor(2, 3)], ids=["inline", "local"])
def test_every_item_comes_back_once(executor):
    with executor:
        assert sorted(executor.map(_double, range(10), _never_lost, Crew(pytest.fail))) == list(range(0, 20, 2))
        assert list(executor.map(_double, [], _never_lost, Crew(pytest.fail))) == []


class Counted:
    """Yields the process and how many chunks this object had there before."""

    def __init__(self):
        self.chunks = 0

    def __call__(self, items):
        yield from ((os.getpid(), self.chunks) for _ in items)
        self.chunks += 1


def test_workers_keep_what_they_were_sent_until_they_are_dismissed():
    first, second = Counted(), Counted()
    with LocalExecutor(1, 2) as executor:

        def found(work):
            return list(executor.map(work, range(2), _never_lost, Crew(pytest.fail)))

        (process, chunks), _ = found(first)
        assert chunks == 0
        assert found(second) == [(process, 0)] * 2, "the same process, other work"
        assert found(first) == [(process, 1)] * 2, "work that it still has"
        executor.dismiss()
        assert multiprocessing.active_children() == []
        (other, chunks), _ = found(first)
        assert other != process
        assert chunks == 0
    assert multiprocessing.active_children() == []


class Told:
    """Yields each item with whether it was told of it beforehand."""

    def __init__(self):
        self.prepared = self.told = ()

    def prepare(self, items):
        self.told, self.prepared = self.prepared, items

    def __call__(self, items):
        yield from ((item, item in self.told) for item in items)


def test_work_is_told_what_it_does_next_while_enough_is_left_for_others():
    with LocalExecutor(1, 2) as executor:
        found = dict(executor.map(Told(), range(12), _never_lost, Crew(pytest.fail)))
    assert found == {item: 2 <= item < 10 for item in range(12)}, "the last chunk is left to whoever is free"


def test_a_worker_that_died_between_two_calls_is_replaced_and_costs_no_item_a_try():
    told = []
    with LocalExecutor(3, 1) as executor:
        work = Counted()
        assert len(list(executor.map(work, range(3), _never_lost, Crew(pytest.fail)))) == 3
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
            child.join()
        assert len(list(executor.map(work, range(3), _never_lost, Crew(told.append)))) == 3
    assert set(told) == {"a worker process died (SIGKILL); replaced"}, "not: its items are tried again"


def test_nothing_is_left_of_workers_that_are_killed_while_they_rest():
    before = {thread.ident for thread in threading.enumerate()}
    executor = LocalExecutor(2, 1)
    list(executor.map(Counted(), range(4), _never_lost, Crew(pytest.fail)))
    rest = executor.map(Counted(), range(4), _never_lost, Crew(pytest.fail))
    next(rest)
    rest.close()
    assert multiprocessing.active_children() == []
    until = time.monotonic() + PATIENCE_SECONDS
    while {thread.ident for thread in threading.enumerate()} - before and time.monotonic() < until:
        time.sleep(0.02)
    assert not {thread.ident for thread in threading.enumerate()} - before


KEEP = "{keep: {scorer: even, first: 2}, name: brightness}"


@pytest.mark.parametrize(
    ("scorers", "starts"), [(f"[{KEEP}, even]", 1), pytest.param("[brightness, even]", 2, marks=pytest.mark.slow)]
)
def test_stages_that_alternate_have_one_crew(scorers, starts, run_library, monkeypatch, tmp_path):
    """The filter asks for further samples in rounds; otherwise scoring gets the memory that the model had."""
    started = []

    class Started(WorkerProcess):
        def __init__(self, *args):
            started.append(args)
            super().__init__(*args)

    monkeypatch.setattr(local, "WorkerProcess", Started)
    assignments = (f"scorers={scorers}", "prompts.samples_per_prompt=8")
    assert run_library("local", "execution.executor=local", *assignments) == run_library("inline", *assignments)
    assert len(started) == starts
    (log,) = (tmp_path / "local").glob("*/run.log")
    rounds = log.read_text().count("generate: worker ")
    assert rounds > 1 if starts == 1 else rounds == 1


class _Twice(InlineExecutor):
    """An executor whose results all come twice, the second time late: as if a lost worker had only been slow."""

    def map(self, work, items, lost, crew, stall_seconds=None):
        results = list(work(items))
        yield from results
        yield from results


def test_results_that_come_twice_count_once(run_library, expected, monkeypatch):
    from nova_bench.pipeline import staffing

    monkeypatch.setattr(staffing, "executor_of", lambda spec: _Twice())
    assert run_library("twice") == expected


def test_a_slow_step_is_told_once_with_what_it_works_at(monkeypatch):
    monkeypatch.setattr(slow_steps, "TICK", 0.01)
    told = []

    def work(items):
        for item in items:
            report_step(f"brightness on {item}.mp4")
            until = time.monotonic() + 10
            while item == 2 and not told and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.03 if item == 2 else 0)
            yield item

    found = InlineExecutor().map(work, range(4), _never_lost, Crew(told.append), stall_seconds=0.2)
    assert list(found) == [0, 1, 2, 3]
    (line,) = told
    assert line.startswith("brightness on 2.mp4: nothing finished for ")
    assert "--executor local" in line
