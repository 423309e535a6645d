"""The package in examples/ as a user installs it: its scorer, its benchmark and its final score."""

from __future__ import annotations

import csv
import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nova_bench.video import write_mp4

EXAMPLES = Path(__file__).parents[2] / "examples"
PROMPTS = [
    f"{thing} {place}" for thing in ("a pear", "a teapot", "a candle") for place in ("on a table", "on a window sill")
]


@pytest.fixture
def installed(fresh_cli: Callable, tmp_path: Path) -> Callable:
    """The command line in an environment that has the package's entry points, as its pyproject.toml states them."""
    project = tomllib.loads((EXAMPLES / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = tmp_path / "site" / f"{project['name']}-{project['version']}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    path = os.pathsep.join([str(folder.parent), str(EXAMPLES), os.environ["PYTHONPATH"]])
    return lambda *arguments: fresh_cli(*arguments, PYTHONPATH=path)


def videos(folder: Path) -> None:
    """Two samples of each prompt; later prompts are finer checkerboards, and each second frame is brighter."""
    folder.mkdir()
    for place, prompt in enumerate(PROMPTS):
        side = 16 >> (place // 2)
        board = np.indices((64, 64)).sum(0) // side % 2 * 100 + 50
        frames = np.stack([np.repeat((board + 5 * (index % 2))[..., None], 3, -1) for index in range(4)])
        for sample in range(2):
            write_mp4(folder / f"{prompt}-{sample}.mp4", frames.astype(np.uint8), 8)


@pytest.mark.slow
def test_the_benchmark_runs_and_its_final_score_is_what_it_declares(installed: Callable, tmp_path: Path) -> None:
    videos(tmp_path / "videos")
    result = installed("run", EXAMPLES / "still_life.yaml", "--model", "videos")
    assert result.returncode == 0, result.stderr
    (report,) = tmp_path.glob("runs/still_life-*/report")
    with (report / "samples.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    values = {
        metric: [float(row["value"]) for row in rows if row["metric"] == metric]
        for metric in ("sharpness", "temporal_flickering")
    }
    assert {name: len(found) for name, found in values.items()} == {"sharpness": 12, "temporal_flickering": 12}
    assert [row["prompt"] for row in rows[:12:2]] == PROMPTS
    sharpness, stillness = (sum(found) / len(found) for found in values.values())
    assert values["sharpness"][0] * 2 < values["sharpness"][-1]  # finer boards have more edges
    table = json.loads((report / "tables" / "metrics.json").read_text(encoding="utf-8"))
    (total,) = (row for row in table["rows"] if row["cells"]["metric"]["value"] == "still_life_total")
    expected = ((stillness - 0.5) / 0.5 * 2 + sharpness / 1000) / 3
    assert total["cells"]["value"]["value"] == pytest.approx(expected, rel=1e-9)
    exported = installed("store", "export", report.parent.name, "named", "--layout", "still_life")
    assert exported.returncode == 0, exported.stderr
    names = {path.name for path in (tmp_path / "named").iterdir()}
    assert len(names) == 12
    assert "a_pear_on_a_table.0.mp4" in names


def test_a_plan_counts_its_samples(installed: Callable) -> None:
    result = installed("plan", EXAMPLES / "still_life.yaml")
    assert result.returncode == 0, result.stderr
    counted = {line.split()[0]: line.split()[1:3] for line in result.stdout.splitlines() if line.strip()}
    assert counted["sharpness"] == ["0", "12"]


def test_a_wrong_setting_of_the_scorer_is_an_error_in_the_suite(installed: Callable) -> None:
    result = installed("plan", EXAMPLES / "still_life.yaml", "--set", "scorers.0.settings.every=0")
    assert result.returncode == 2
    assert re.search(r"every.*1", result.stderr)
