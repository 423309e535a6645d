"""Ctrl-C, SIGTERM and SIGHUP: exit 130, how to continue, no traceback, and no process left behind."""

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

WORKERS = ("--executor", "local", "--workers", "2")


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
            preexec_fn=_interruptible,
        )
        processes.append(process)
        while process.poll() is None and not begun(stage, process):
            time.sleep(0.02)
        return process, log

    yield start
    for process in processes:
        for member in _session(process.pid):
            os.kill(member, signal.SIGKILL)


def _interruptible():
    """Shells have jobs in the background ignore Ctrl-C, and nohup the terminal's end; what they start inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
        pytest.param("score", (), signal.SIGHUP, False, id="the terminal goes while scoring", marks=pytest.mark.slow),
        pytest.param("start", WORKERS, signal.SIGINT, True, id="Ctrl-C while workers start", marks=pytest.mark.slow),
        pytest.param("score", WORKERS, signal.SIGINT, True, id="Ctrl-C while workers score", marks=pytest.mark.slow),
        pytest.param("score", WORKERS, signal.SIGTERM, False, id="SIGTERM while workers score", marks=pytest.mark.slow),
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


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for left-over processes in /proc")
def test_workers_end_with_a_parent_that_is_killed(started):
    process, _ = started("start", *WORKERS)
    while len(_session(process.pid)) < 3 and process.poll() is None:
        time.sleep(0.02)
    assert len(_session(process.pid)) >= 3, "parent and two workers"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert _nobody_left(process.pid)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for left-over processes in /proc")
@pytest.mark.parametrize("fault", ["hang_on", "stop_on"])
def test_workers_that_hang_or_are_stopped_delay_no_end(started, fault):
    scorers = f"scorers=[{{name: roughness}}, {{name: brightness, settings: {{{fault}: dog}}}}]"
    process, log = started("score", *WORKERS, "--set", scorers)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(warm.PATIENCE_SECONDS) == 130
    assert "Traceback" not in log.read_text()
    assert _nobody_left(process.pid)


def _ended(command, folder, environment, numbers, wait=0.0, begun=None):
    """Start a command, send it signals when it has said ``begun``, or after a while; (exit code, output, seconds)."""
    output = folder / "output"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            preexec_fn=_interruptible,
        )
    try:
        while begun and begun not in output.read_text() and process.poll() is None:
            time.sleep(0.02)
        time.sleep(wait)
        assert process.poll() is None, output.read_text()
        started = time.monotonic()
        for number in numbers:
            os.killpg(process.pid, number)
            time.sleep(0.01)
        code = process.wait(warm.PATIENCE_SECONDS)
        return code, output.read_text(), time.monotonic() - started
    finally:
        for member in _session(process.pid):
            os.kill(member, signal.SIGKILL)


COMMANDS = {
    "generate": ("generate", "a red circle", "--model", "nova-tiny", "--diffusion-steps", "10000"),
    "train": ("train", "tiny", "--out", "runs"),
    "sweep": ("train", "ablations", "--out", "runs", "--workers", "2"),
    "latency": ("run", "latency", "--device", "cpu"),
}


@pytest.mark.parametrize(
    "name", [*COMMANDS][:1] + [pytest.param(name, marks=pytest.mark.slow) for name in [*COMMANDS][1:]]
)
def test_every_kind_of_command_ends(name, tmp_path, environment):
    code, said, _ = _ended(["-m", "nova_bench", *COMMANDS[name]], tmp_path, environment, [signal.SIGINT], wait=5)
    assert code == 130, said
    assert "Traceback" not in said
    assert "interrupted; everything finished is kept. To continue: python -m nova_bench " in said


STARTING = """
from nova_bench.__main__ import main
print("begun", flush=True)
main()
"""


@pytest.mark.parametrize("wait", [0.3, 0.9, 1.6])
def test_several_interrupts_while_libraries_are_imported_are_told_in_one_line(tmp_path, environment, write_suite, wait):
    write_suite(model={"adapter": "drift", "seconds": 9})
    # Python's own start isn't ours, and takes a second on a busy machine.
    command = ["-c", STARTING, "run", "suite.yaml"]
    code, said, _ = _ended(command, tmp_path, environment, [signal.SIGINT] * 4, wait, "begun")
    assert code == 130, said
    assert "Traceback" not in said
    assert said.count("interrupted") == 1


IMPORTING = """
import signal, sys, types
from nova_bench.__main__ import main

def importing():
    try:
        if {interrupted}:
            signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as error:
        raise {error} from error
    raise {error}

sys.modules["nova_bench.cli"] = types.SimpleNamespace(main=importing)
main()
"""


@pytest.mark.parametrize(
    "error", ["RuntimeError('Error calling __set_name__')", "ImportError('initialization failed')"]
)
@pytest.mark.parametrize("interrupted", [True, False])
def test_what_libraries_make_of_an_interrupt_is_one_too(tmp_path, environment, error, interrupted):
    command = [sys.executable, "-c", IMPORTING.format(error=error, interrupted=interrupted)]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=_interruptible,
    )
    assert ended.returncode == (130 if interrupted else 1), ended.stderr
    assert ("interrupted; everything finished is kept" in ended.stderr) is interrupted
    assert ("Traceback" in ended.stderr) is not interrupted


COMPUTING = """
import sys, torch
from nova_bench.core.interrupts import watch_signals
watch_signals()
matrix = torch.randn(4000, 4000, dtype=torch.float64)
print("begun", flush=True)
while True:
    torch.linalg.svd(matrix)
"""


@pytest.mark.slow
def test_a_computation_that_python_cannot_interrupt_ends_within_seconds_and_at_a_second_one_at_once(
    tmp_path, environment
):
    from nova_bench.core.interrupts import GRACE_SECONDS

    once = _ended(["-c", COMPUTING], tmp_path, environment, [signal.SIGINT], 1, "begun")
    assert once[0] == 130, once[1]
    assert "interrupted" in once[1]
    twice = _ended(["-c", COMPUTING], tmp_path, environment, [signal.SIGINT] * 2, 1, "begun")
    assert twice[0] == 130, twice[1]
    assert "interrupted" in twice[1]
    assert twice[2] < GRACE_SECONDS


IN_THE_BACKGROUND = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
from nova_bench.core.interrupts import watch_signals
watch_signals()
print("begun", flush=True)
time.sleep(1)
"""


def test_a_job_in_the_background_goes_on(tmp_path, environment):
    assert _ended(["-c", IN_THE_BACKGROUND], tmp_path, environment, [signal.SIGINT], 0, "begun")[0] == 0
