"""`bless` and `check`: baselines, looks, drift, budgets, noise."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.gate.conftest import PROMPTS, Gate


def test_a_blessed_run_passes_and_a_darker_one_regresses_early(gate: Gate) -> None:
    assert gate.bless("a").returncode == 0
    same = gate.check("a")
    assert (same.code, same.file["verdict"]) == (0, "pass")
    assert [look["share"] for look in same.file["looks"]] == [1], "nothing is left to save"
    worse = gate.check("b", "--set", "model.darker=20")
    assert (worse.code, worse.file["verdict"]) == (1, "regressed")
    assert [look["prompts"] for look in worse.file["looks"]] == [len(PROMPTS) // 2]
    assert worse.metric("brightness")["prompts"] == len(PROMPTS) // 2
    whole = gate.check("c", "--set", "model.darker=20", "--no-early")
    assert whole.metric("brightness")["prompts"] == len(PROMPTS)


def test_a_baseline_is_canonical_and_only_bless_changes_it(gate: Gate, tmp_path: Path) -> None:
    gate.bless("a")
    path = tmp_path / "base.json"
    first = path.read_text()
    assert gate.bless("a").returncode == 2
    assert path.read_text() == first
    assert sum(f'"text":"{prompt}"' in line for prompt in PROMPTS for line in first.splitlines()) == len(PROMPTS)
    path.write_text(first.replace('"blessings": 1', '"blessings": 2'))
    edited = gate.check("a")
    assert edited.code == 2
    assert "changed by something other than `bless`" in edited.done.stderr
    path.write_text("{")
    assert gate.check("a").code == 2


@pytest.mark.slow
def test_many_small_losses_show_as_drift_since_the_first_baseline(gate: Gate, tmp_path: Path) -> None:
    gate.bless("a")
    done = gate.bless("b", "--update", "--set", "model.darker=4")
    assert done.returncode == 0, done.stderr
    assert "brightness" in done.stdout
    assert json.loads((tmp_path / "base.json").read_text())["first"]["prompts"]
    gate.bless("c", "--update", "--set", "model.darker=8")
    found = gate.check("d", "--set", "model.darker=8")
    assert found.file["verdict"] == "pass"
    drift = {metric["metric"]: metric for metric in found.file["drift"]["metrics"]}
    assert found.file["drift"]["verdict"] == "regressed"
    assert drift["brightness"]["difference"] < -0.02
    assert found.file["drift"]["blessings"] == 2


def test_incomplete_runs_are_not_blessed(gate: Gate, tmp_path: Path) -> None:
    done = gate.bless("a", "--set", "model.fail_on=prompt 3")
    assert done.returncode == 3
    assert "1 of 24 samples failed" in done.stderr
    assert not (tmp_path / "base.json").exists()
    assert gate.bless("a", "--allow-failed", "--set", "model.fail_on=prompt 3").returncode == 0
    found = gate.check("a", "--no-early", "--set", "model.fail_on=prompt 3")
    assert found.metric("brightness")["prompts"] == len(PROMPTS) - 1
    assert found.code == 3


def test_the_baselines_prompts_are_those_checked(gate: Gate) -> None:
    gate.bless("a", "--limit", "16")
    found = gate.check("b")
    assert found.file["b"]["requested"] <= 16
    assert any("8 samples (8 of 24 prompts) are not in the baseline" in reason for reason in found.file["reasons"])
    fewer = gate.check("b", "--set", 'prompts.entries=["prompt 1", "prompt 2"]')
    assert (fewer.code, fewer.file["verdict"]) == (3, "not comparable")
    assert "prompts: 16" in fewer.metric("brightness")["note"]


def test_of_each_prompt_the_blessed_samples_are_checked(gate: Gate) -> None:
    several = ("--set", "prompts.samples_per_prompt=3")
    gate.bless("a", "--limit", "31", *several)
    found = gate.check("b", "--no-early", *several)
    assert found.code == 0, found.done.stderr
    assert found.file["b"]["requested"] == 31
    assert found.metric("brightness")["pairs"] == 31


def test_a_changed_scorer_names_the_command_that_rescores(gate: Gate) -> None:
    gate.bless("a")
    found = gate.check("a", "--set", "scorers.0.settings.fail_below=0.001")
    assert found.metric("brightness")["verdict"] == "not comparable"
    assert any("bless" in reason and "--update" in reason for reason in found.file["reasons"])


def test_a_budget_chooses_a_part_of_the_prompts(gate: Gate, tmp_path: Path) -> None:
    gate.bless("a")
    unknown = gate.check("new", "--budget", "10min")
    assert unknown.code == 2
    assert "no timings" in unknown.done.stderr
    assert gate.check("a", "--budget", "soon").code == 2
    gate.run("b", "--limit", "1")
    with closing(sqlite3.connect(tmp_path / "b" / "store.sqlite")) as store, store:
        store.execute("UPDATE timings SET seconds = CASE stage WHEN 'generate' THEN items ELSE 0 END")
    assert gate.check("b", "--budget", "5s").code == 2, "too short for eight prompts"
    part = gate.check("b", "--budget", "12s", "--no-early")
    assert part.metric("brightness")["prompts"] in (12, 13), "one second each, and one sample is there"
    assert any("of 24 prompts" in reason and "brightness" in reason for reason in part.file["reasons"])


def test_noise_stands_beside_each_margin(gate: Gate) -> None:
    gate.bless("a")
    found = gate.check("a", "--noise", "2")
    noise = found.metric("brightness")["noise"]
    assert noise["seeds"] == [1337, 1338, 1339]
    assert noise["difference"] > 0
    assert noise["reach"] > 0


def test_another_suite_and_another_kind_are_refused(gate: Gate, tmp_path: Path) -> None:
    gate.bless("a")
    done = gate.cli("check", "latency", "--baseline", "base.json")
    assert done.returncode == 2
    assert "only a benchmark" in done.stderr
    done = gate.cli("check", "shapes", "--baseline", "base.json")
    assert done.returncode == 2
    assert "blessed for the suite smoke" in done.stderr
    done = gate.cli("check", gate.suite, "--baseline", "nowhere.json")
    assert done.returncode == 2
    assert "bless" in done.stderr


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("gate.metrics=[lpips]", "no metric 'lpips'"),
        ("gate.looks=[0.5]", "looks"),
        ("gate.margins={brightness: 0}", "0"),
    ],
)
def test_a_wrong_gate_is_named(gate: Gate, key: str, words: str) -> None:
    done = gate.cli("plan", gate.suite, "--set", key)
    assert done.returncode == 2
    assert words in done.stderr
