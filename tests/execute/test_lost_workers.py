"""Workers that die, are stopped or hang are replaced; what they held is tried again, and the others' rows stand."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.core.errors import UserError
from nova_bench.core.steps import report_step
from nova_bench.execute import local, process
from nova_bench.execute.crew import Crew
from nova_bench.execute.local import LocalExecutor
from nova_bench.pipeline import generate
from nova_bench.store import Status

FAULTS = {
    "die_on": "a worker process died (SIGKILL) at brightness",
    "stop_on": "a worker process was stopped from outside (SIGSTOP) at brightness",
    "hang_on": "a worker process hung: it finished nothing for ",
    "exit_on": "a worker process ended with exit code 7 at brightness",
}
LOSSES = ["die_on", *(pytest.param(fault, marks=pytest.mark.slow) for fault in FAULTS if fault != "die_on")]
WORKERS = ("execution.executor=local", "execution.workers=2", "execution.stall_seconds=25")


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """Nobody waits long for what these tests break."""
    monkeypatch.setattr(process, "STOPPED_SECONDS", 1.0)
    monkeypatch.setattr(local, "TIMES_SLOWEST", 1)
    monkeypatch.setattr(generate, "GENERATING_TIMES", 1)


@pytest.mark.parametrize("fault", LOSSES)
def test_what_a_lost_worker_held_is_done_by_another(run_library, tmp_path, fault, capsys):
    def run(store, once, *assignments):
        scorers = f"[{{name: brightness, settings: {{{fault}: a, once: '{once}'}}}}, {{name: roughness}}]"
        rows = run_library(store, f"scorers={scorers}", "execution.batch_size=3", *assignments)
        return sorted((status, value, message) for status, value, _, message, _ in rows.values())

    (tmp_path / "already").touch()
    undisturbed = run("inline", tmp_path / "already")
    assert run("local", tmp_path / "once", *WORKERS) == undisturbed
    assert f"{FAULTS[fault]}" in capsys.readouterr().err
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["die_on", "hang_on"])
def test_a_sample_that_no_worker_survives_fails_alone(run_library, fault):
    scorers = f"scorers=[{{name: brightness, settings: {{{fault}: house}}}}, {{name: roughness}}]"
    rows = run_library("store", scorers, "execution.batch_size=6", *WORKERS)
    failed = [message for status, _, _, message, _ in rows.values() if status == Status.FAILED]
    assert len(failed) == 4, "both samples of the prompt, by both scorers"
    assert all(message.startswith(FAULTS[fault]) for message in failed)
    assert sum(status == Status.OK for status, *_ in rows.values()) == 8


@pytest.mark.parametrize("fault", LOSSES)
def test_what_a_lost_worker_generated_is_made_by_another(run_library, tmp_path, fault, capsys):
    undisturbed = run_library("inline")
    model = f"model={{adapter: drift, {fault}: house, once: '{tmp_path / 'once'}'}}"
    assert run_library("local", model, "execution.batch_size=4", *WORKERS) == undisturbed
    said = FAULTS[fault].replace("brightness", "generating 'a house'")
    assert said.removesuffix(" and 1 more") in capsys.readouterr().err
    assert not list((tmp_path / "local/artifacts").glob(".*")), "nothing half-written is left"
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["die_on", "hang_on"])
def test_a_unit_that_no_worker_survives_fails_alone(run_library, fault, capsys):
    model = f"model={{adapter: drift, {fault}: house}}"
    rows = run_library("store", model, "execution.batch_size=6", *WORKERS)
    assert len(rows) == 8, "two samples of two prompts, by two scorers"
    assert capsys.readouterr().err.count("its item is given up, since it lost a worker before") == 2


@pytest.mark.slow
def test_a_worker_runs_out_of_memory_once_and_keeps_to_smaller_batches(run_library, capsys):
    expected = run_library("inline")
    capsys.readouterr()
    one = ("execution.executor=local", "execution.workers=1", "execution.batch_size=2")
    assert run_library("local", "model={adapter: drift, memory: 1}", *one) == expected
    assert capsys.readouterr().err.count("out of memory with a batch of 2; continuing with 1") == 1


class _Nap:
    """Doubles numbers and takes its time, so that it can be disturbed; is told what comes next."""

    def prepare(self, items):
        report_step(f"soon {items}")

    def __call__(self, items):
        for item in items:
            report_step(str(item))
            time.sleep(0.02)
            yield 2 * item


class _Disturber(threading.Thread):
    """Kills or stops one worker at each of the given times."""

    def __init__(self, waits, seed):
        super().__init__(daemon=True)
        self.waits, self.random, self.hits = waits, random.Random(seed), 0

    def run(self):
        for wait in self.waits:
            time.sleep(wait)
            if workers := multiprocessing.active_children():
                self.hits += 1
                os.kill(
                    self.random.choice(workers).pid,
                    self.random.choice([signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM]),
                )


@pytest.mark.slow
@settings(max_examples=6)
@given(
    workers=st.integers(1, 3),
    rounds=st.integers(1, 3),
    size=st.integers(1, 4),
    waits=st.lists(st.floats(0, 0.8), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_workers_disturbed_at_any_time_change_no_result(workers, rounds, size, waits, seed):
    disturber = _Disturber(waits, seed)
    disturber.start()
    lost = []

    def give_up(item, problem):
        lost.append(item)
        return 2 * item

    work, crew = _Nap(), Crew(lambda text: None)
    with LocalExecutor(workers, size) as executor:
        for _ in range(rounds):
            assert sorted(executor.map(work, range(20), give_up, crew, 30)) == list(range(0, 40, 2))
    assert len(lost) <= disturber.hits // 2, "an item is given up only when it lost two workers"
    disturber.join()
    assert multiprocessing.active_children() == []


class _Unloadable:
    """Can be sent, but not received."""

    def __init__(self, how):
        self._how = how

    def __reduce__(self):
        return self._how


def test_workers_that_cannot_start_end_the_run_with_one_line():
    executor = LocalExecutor(2, 1)
    with pytest.raises(
        UserError, match="worker processes can't start: a worker process ended with exit code 5"
    ) as caught:
        list(executor.map(_Unloadable((os._exit, (5,))), range(9), pytest.fail, Crew(lambda text: None)))
    assert "--executor inline" in caught.value.remedy
    with pytest.raises(UserError, match="can't begin: ModuleNotFoundError: No module named 'nosuch'"):
        list(executor.map(_Unloadable((__import__, ("nosuch",))), range(9), pytest.fail, Crew(pytest.fail)))
    assert multiprocessing.active_children() == []


class _Fails:
    def __call__(self, items):
        raise _Odd(1, 2)


class _Odd(Exception):
    """Can't be unpickled: it wants two arguments."""

    def __init__(self, one, two):
        super().__init__("odd")


def test_what_the_work_raises_is_raised_with_its_traceback():
    with pytest.raises(RuntimeError, match="_Odd: odd"):
        list(LocalExecutor(1, 1).map(_Fails(), range(3), pytest.fail, Crew(pytest.fail)))


def test_workers_share_the_cores():
    with LocalExecutor(max(2, (os.cpu_count() or 1)), 9) as executor:
        (threads,) = executor.map(_threads, [0], pytest.fail, Crew(pytest.fail))
    assert threads == ("1", 1)


def _threads(items):
    import torch

    yield os.environ["OMP_NUM_THREADS"], torch.get_num_threads()
