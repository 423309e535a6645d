"""A run's scores as a results file, out of the store and in again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


def test_exported_results_are_those_of_the_run(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    prompts = {"samples_per_prompt": 4, "entries": [f"a cat, take {number}" for number in range(6)]}
    kept = {"name": "temporal_flickering", "keep": {"scorer": "even", "first": 2}}
    suite = write_suite(scorers=[kept, "even"], prompts=prompts)
    assert cli("run", suite).returncode == 0
    (run,) = (path for path in (tmp_path / "runs").glob("smoke-*") if path.is_dir())
    exported = cli("store", "export", run, "out", "--layout", "vbench")
    assert exported.returncode == 0, exported.stderr
    assert "results are in out_eval_results.json, beside the folder" in exported.stdout
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".mp4"}
    path = tmp_path / "out_eval_results.json"
    document = json.loads(path.read_text())
    assert list(document) == ["temporal_flickering"]
    value, records = document["temporal_flickering"]
    # The samples that the filter keeps are exported as 0 and 1, as the official filter does.
    assert {(tmp_path / record["video_path"]).is_file() for record in records} == {True}
    assert {Path(record["video_path"]).stem[-2:] for record in records} == {"-0", "-1"}
    assert 6 < len(records) < 13
    assert value == pytest.approx(sum(record["video_results"] for record in records) / len(records))

    assert cli("store", "export", run, "out", "--layout", "vbench").returncode == 0
    path.write_text("{}")
    other = cli("store", "export", run, "out", "--layout", "vbench")
    assert other.returncode == 3
    assert "left out: results: out_eval_results.json already exists with different content" in other.stderr
    assert path.read_text() == "{}"

    path.write_text(json.dumps(document))
    assert cli("report", "--import", path, "-q").returncode == 3  # one dimension of sixteen
    (imported,) = (tmp_path / "runs").glob("vbench_imported-*")
    compared = cli("compare", run, imported, "--json", "verdict.json")
    found = {m["metric"]: m for m in json.loads((tmp_path / "verdict.json").read_text())["metrics"]}
    assert found["temporal_flickering"]["difference"] == 0, compared.stderr
    assert found["temporal_flickering"]["prompts"] == len({record["video_path"][:-5] for record in records})
    assert found["temporal_flickering"]["a"] == pytest.approx(value)
    assert found["even"]["note"].startswith("not computed in B")
    refused = cli("store", "export", imported, "again", "--layout", "vbench")
    assert refused.returncode == 2
    assert "has imported scores and no videos" in refused.stderr
