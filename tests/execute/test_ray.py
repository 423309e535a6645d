"""Ray actors: the same rows as in one process, whoever is killed: an actor, a node or the driver."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nova_bench.config.suite import ExecutionSpec
from nova_bench.core.errors import UserError
from nova_bench.execute import ray as executor
from nova_bench.execute.choice import executor_of
from nova_bench.execute.crew import Crew
from nova_bench.pipeline import generate
from nova_bench.store import Status
from tests.warm import PATIENCE_SECONDS

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_ray]
RAY = ("execution.executor=ray", "execution.batch_size=2")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Nobody waits long for what is broken; a local cluster finds the test kit as it would an installed package."""
    monkeypatch.setattr(executor, "TIMES_SLOWEST", 1)
    monkeypatch.setattr(generate, "GENERATING_TIMES", 1)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])


@pytest.fixture
def expected(run_library: Callable) -> dict:
    return run_library("inline")


@pytest.fixture
def ray_here(_soon: None) -> None:
    """A local cluster that the tests of this file share: starting one takes longer than what they do with it."""
    import ray

    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("workers", [1, 3])
def test_actors_give_the_same_rows(run_library: Callable, expected: dict, workers: int, tmp_path: Path) -> None:
    assert run_library("ray", *RAY, f"execution.workers={workers}") == expected
    (log,) = (tmp_path / "ray").glob("*/run.log")
    assert "score: worker " in log.read_text()


@pytest.mark.usefixtures("ray_here")
def test_actors_stay_while_a_filter_asks_for_further_samples(run_library: Callable, monkeypatch) -> None:
    started = []

    class Started(executor._Member):
        def __init__(self, *args: object) -> None:
            started.append(args)
            super().__init__(*args)

    monkeypatch.setattr(executor, "_Member", Started)
    keep = "scorers=[{keep: {scorer: even, first: 2}, name: brightness}, even]"
    assignments = (keep, "prompts.samples_per_prompt=8")
    assert run_library("ray", *RAY, "execution.workers=2", *assignments) == run_library("inline", *assignments)
    assert len(started) == 2


@pytest.mark.usefixtures("ray_here")
@pytest.mark.parametrize("fault", ["die_on", "stop_on"])
def test_what_a_lost_actor_held_is_done_by_another(
    fault: str, run_library: Callable, expected: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model = f"model={{adapter: drift, {fault}: house, once: '{tmp_path / 'once'}'}}"
    soon = () if fault == "die_on" else ("execution.stall_seconds=25", "execution.batch_size=1")
    assert run_library("ray", model, *RAY, *soon, "execution.workers=2") == expected
    assert "; replaced; its items are tried again" in capsys.readouterr().err
    assert not list((tmp_path / "ray/artifacts").glob(".*")), "nothing half-written is left"


@pytest.mark.usefixtures("ray_here")
def test_a_sample_that_no_actor_survives_fails_alone(run_library: Callable) -> None:
    scorers = "scorers=[{name: brightness, settings: {die_on: house}}, {name: roughness}]"
    rows = run_library("store", scorers, *RAY, "execution.workers=2")
    failed = [message for status, _, _, message, _ in rows.values() if status == Status.FAILED]
    assert len(failed) == 4, "both samples of the prompt, by both scorers"
    assert all("a Ray actor died" in message for message in failed)
    assert sum(status == Status.OK for status, *_ in rows.values()) == 8


@pytest.mark.usefixtures("ray_here")
def test_memory_that_runs_out_halves_the_batch(
    run_library: Callable, expected: dict, capsys: pytest.CaptureFixture
) -> None:
    assert run_library("ray", "model={adapter: drift, memory: 1}", *RAY, "execution.workers=1") == expected
    assert "out of memory with a batch of 2; continuing with 1" in capsys.readouterr().err


@pytest.mark.usefixtures("ray_here")
def test_a_cluster_without_a_gpu_says_so() -> None:
    with pytest.raises(UserError, match="this Ray cluster has no GPU"):
        list(executor_of(ExecutionSpec(executor="ray", device="cuda")).map(len, [1], pytest.fail, Crew(print)))


class _Nap:
    def __call__(self, items: Sequence[int]) -> Iterator[int]:
        for item in items:
            time.sleep(0.4)
            yield item


@pytest.mark.usefixtures("ray_here")
def test_a_cluster_without_room_for_all_goes_on_with_some_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(executor, "WAITING_SECONDS", 2.0)
    workers, told = int(ray.cluster_resources()["CPU"]) + 2, []
    with executor.RayExecutor(workers, 1, "cpu") as crowded:
        found = list(crowded.map(_Nap(), range(20 * workers), pytest.fail, Crew(told.append)))
    assert sorted(found) == list(range(20 * workers))
    assert f"the Ray cluster had no room for 2 of {workers} workers for 2 s" in told[0]


@pytest.fixture
def cluster() -> Iterator:
    import ray
    from ray.cluster_utils import Cluster

    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_a_node_that_leaves_takes_no_row_with_it(
    cluster, run_library: Callable, expected: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The head has no processor, so all actors are on the one node that leaves, and then on the one that comes."""
    import ray

    leaving = cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False, include_dashboard=False, configure_logging=False)

    with ThreadPoolExecutor(1) as pool:  # nodes can be added in the main thread only
        run = pool.submit(run_library, "ray", "model={adapter: drift, seconds: 2}", *RAY, "execution.workers=2")
        until = time.monotonic() + PATIENCE_SECONDS
        while not list((tmp_path / "ray/artifacts").glob("[0-9a-f][0-9a-f]/*.mp4")) and time.monotonic() < until:
            time.sleep(0.05)
        cluster.remove_node(leaving, allow_graceful=False)
        cluster.add_node(num_cpus=2)
        rows = run.result()
    assert _values(rows) == _values(expected)
    assert "a Ray actor died" in capsys.readouterr().err


def _values(rows: dict) -> list:
    """Rows without their identity: a slow model is another model."""
    return sorted((status, value, message) for status, value, _, message, _ in rows.values())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "preempted"])
def test_a_driver_that_ends_is_continued(
    number: int, run_library: Callable, rows: Callable, tmp_path: Path, write_suite: Callable, environment: dict
) -> None:
    model = {"adapter": "drift", "seconds": 1}
    expected = run_library("inline", "model={adapter: drift, seconds: 1}")
    write_suite(model=model)
    command = [sys.executable, "-m", "nova_bench", "run", "suite.yaml", "--store", "ray", "--device", "cpu"]
    command += ["--executor", "ray", "--workers", "2", "--batch-size", "1"]
    first = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + PATIENCE_SECONDS
    # The second file comes when the first one is recorded.
    while len(list((tmp_path / "ray/artifacts").glob("[0-9a-f][0-9a-f]/*.mp4"))) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    first.send_signal(number)
    _, said = first.communicate(timeout=PATIENCE_SECONDS)
    assert first.returncode == (-number if number == signal.SIGKILL else 130), said
    second = subprocess.run(
        command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert "samples were there already" in second.stderr
    assert rows(tmp_path / "ray") == expected
    assert not list((tmp_path / "ray/artifacts").glob(".*")), "nothing half-written is left"
