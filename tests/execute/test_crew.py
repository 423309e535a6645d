"""Workers are asked who they are before they begin, and accounted for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nova_bench.core.errors import UserError
from nova_bench.execute.crew import LEAST_FREE_BYTES, Arrival, Crew
from nova_bench.pipeline.arrival import arrival_at, code_facts, weight_facts
from nova_bench.pipeline.place import Place
from nova_bench.pipeline.staffing import kinds_of_devices

from .conftest import forget_rows

FITTING = Arrival("node3", "NVIDIA H200", {"nova_bench": "a", "torch": "2.11.0"}, True, LEAST_FREE_BYTES)


def crew(**facts: str) -> Crew:
    return Crew(pytest.fail, facts or FITTING.facts, "/shared/store", clock=lambda: 100.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"facts": {"nova_bench": "b", "torch": "2.11.0"}}, "doesn't fit: nova_bench is b there and a here"),
        ({"facts": {"nova_bench": "a"}}, "doesn't fit: torch is absent there and 2.11.0 here"),
        ({"sees_folder": False}, "doesn't see the samples: /shared/store isn't the same folder there"),
        ({"free_bytes": LEAST_FREE_BYTES - 1}, "has 256 MiB left in /shared/store"),
    ],
)
def test_a_worker_that_does_not_fit_is_refused_and_its_node_is_named(change: dict, said: str) -> None:
    with pytest.raises(UserError, match=f"the worker on node3 {said}") as caught:
        crew().arrive("worker", replace(FITTING, **change), since=0.0)
    assert caught.value.remedy


def at(stage: Crew, moment: float) -> Crew:
    stage.clock = lambda: moment
    return stage


def test_a_device_is_held_from_the_start_and_a_rate_counts_from_when_the_worker_was_ready() -> None:
    stage = crew()
    at(stage, 80.0).arrive(1, FITTING, since=60.0, share=0.5)
    at(stage, 90.0).arrive(2, replace(FITTING, device="NVIDIA H100"), since=85.0)
    stage.finish(1, 8)
    stage.finish(1, 12)
    stage.finish(2, 1)
    assert at(stage, 100.0).rates() == "0.10,1.00"
    assert stage.held() == {"NVIDIA H200": 20.0, "NVIDIA H100": 15.0}
    assert stage.accounts()[0] == "worker node3 1 (NVIDIA H200): 20 done, 1.000/s; held for 40.0 s"
    stage.leave(1)
    assert at(stage, 110.0).held() == {"NVIDIA H200": 20.0, "NVIDIA H100": 25.0}
    assert stage.rates() == "", "one worker's rate is the stage's"


def test_of_many_workers_the_range_of_rates_is_told() -> None:
    stage = crew()
    for worker in range(20):
        at(stage, 0.0).arrive(worker, FITTING, since=0.0)
        stage.finish(worker, worker + 1)
    assert at(stage, 100.0).rates() == "0.01..0.20"


def test_the_facts_of_this_process_fit_itself(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    facts = {**code_facts(), **weight_facts(["dino-vitb16"])}
    assert facts["weights of dino-vitb16"] == "missing"
    arrival = arrival_at(Place(tmp_path, "mark"), "cpu", facts)
    crew(**facts).arrive("worker", arrival, since=0.0)
    assert not arrival_at(Place(tmp_path, "absent"), "cpu", facts).sees_folder


def test_cards_of_two_kinds_are_told_also_from_an_earlier_command() -> None:
    assert kinds_of_devices({"generate": {"A": 1.0}, "score": {"B": 1.0}}, []) == {}
    assert kinds_of_devices({"score": {"B": 1.0}}, [{}, {"device_hours": {"score": {"A": 0.1}}}]) == {
        "score": ["A", "B"]
    }


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_the_manifest_accounts_for_devices_by_stage(executor: str, run_library, tmp_path: Path) -> None:
    run_library("store", f"execution.executor={executor}")
    (path,) = (tmp_path / "store").glob("*/manifest.json")
    hours = json.loads(path.read_text())["invocations"][0]["device_hours"]
    assert set(hours) == {"generate", "score"}
    for devices in hours.values():
        ((name, value),) = devices.items()
        assert name
        assert 0 < value < 1
    assert ("generate: worker" in (path.parent / "run.log").read_text()) == (executor == "local")
    assert not list((tmp_path / "store/artifacts").glob(".*")), "the mark is removed"


def test_a_worker_with_other_code_ends_the_run_before_anything_is_done(run_library, monkeypatch, capsys) -> None:
    from nova_bench.pipeline.generate_worker import GenerateWorker

    facts = GenerateWorker.facts
    monkeypatch.setattr(GenerateWorker, "facts", lambda self: {**facts(self), "torch": "1.13.0"})
    with pytest.raises(UserError, match=r"the worker on .* doesn't fit: torch is [\d.]+ there and 1\.13\.0 here"):
        run_library("store", "execution.executor=local", "execution.workers=2")


def test_a_notice_says_that_kinds_of_devices_are_mixed(run_library, tmp_path: Path, capsys) -> None:
    run_library("store")
    (path,) = (tmp_path / "store").glob("*/manifest.json")
    manifest = json.loads(path.read_text())
    manifest["invocations"][0]["device_hours"]["score"] = {"NVIDIA H200": 1.0}
    path.write_text(json.dumps(manifest))
    capsys.readouterr()
    run_library("store", "execution.retry_failed=true")
    assert "several kinds of device" not in capsys.readouterr().err, "nothing was computed now"
    forget_rows(tmp_path / "store")
    run_library("store")
    assert "several kinds of device worked at this run (score: " in capsys.readouterr().err
