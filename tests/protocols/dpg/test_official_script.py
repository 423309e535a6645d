"""Runs on official grids give the numbers of the official script, run with a judge whose answers depend on pixels."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

VECTORS = Path(__file__).parent / "vectors"
OFFICIAL = json.loads((VECTORS / "official.json").read_text(encoding="utf-8"))
GROUPS = ("global", "entity", "attribute", "relation", "other")

Cli = Callable[..., subprocess.CompletedProcess[str]]


def suite(images: int = 4, **model: object) -> dict[str, object]:
    judged = {"settings": {"judge": "checksum"}}
    return {
        "name": "grids",
        "title": "Grids",
        "report": {"figure_formats": ["svg"]},
        "model": {"adapter": "item_images", "folder": str(VECTORS / "grids"), "side": 64, **model},
        "prompts": {
            "source": "dpg",
            "source_file": str(VECTORS / "questions.csv"),
            "samples_per_prompt": images,
        },
        "scorers": [{"name": "dpg_bench", **judged}, {"name": "dpg_bench_corrected", **judged}],
    }


def report_of(folder: Path) -> Path:
    [report] = folder.glob("runs/grids-*/report")
    return report


def values(report: Path) -> dict[str, float | None]:
    table = json.loads((report / "tables" / "metrics.json").read_text(encoding="utf-8"))
    cells = [row["cells"] for row in table["rows"]]
    return {cell["metric"]["value"].removesuffix("@checksum"): cell["value"].get("value") for cell in cells}


@pytest.mark.parametrize("run", OFFICIAL["runs"], ids=lambda run: f"{run['pic_num']} images")
def test_official_numbers(run: dict, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "grids.yaml").write_text(yaml.safe_dump(suite(run["pic_num"], wrong_size="pad")))
    result = cli("run", "grids.yaml", "-q")
    assert result.returncode == 3, result.stderr
    found = values(report_of(tmp_path))
    assert found["dpg_bench"] == pytest.approx(run["overall"], abs=1e-9)
    for group in GROUPS:
        assert found[f"dpg_bench/{group}"] == pytest.approx(run["l1"][group], abs=1e-9)
    with (report_of(tmp_path) / "samples.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "dpg_bench@checksum"]
    counted = [row for row in rows if row["status"] == "ok"]
    assert len(counted) == run["n_items_scored"] * run["pic_num"]
    # Each item that the script drops says why.
    dropped = {row["prompt"]: row["message"] for row in rows if row["status"] == "not measurable"}
    reasons = [reason for file, reason in run["failed"].items() if reason.isdigit()]
    assert len(dropped) == len(reasons)
    assert all("which isn't there" in message for message in dropped.values())


def test_a_grid_of_another_size_fails_by_name(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "grids.yaml").write_text(yaml.safe_dump(suite()))
    result = cli("run", "grids.yaml", "-q")
    assert result.returncode == 3
    told = result.stdout + result.stderr
    assert "wrong_size.png: 96x96 pixels, expected 128x128: two tiles of 64 by two" in told
    assert "several files for one image: big.copy.png, big.png" in told
    assert "no file for this prompt and image (the first: 'has no image')" in told
    assert "unknown_item.png: no prompt has the id that the file is named after" in told
    assert values(report_of(tmp_path))["dpg_bench_corrected"] is not None


def test_exported_grids_are_read_again(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "grids.yaml").write_text(yaml.safe_dump(suite(wrong_size="pad")))
    cli("run", "grids.yaml", "-q")
    before = values(report_of(tmp_path))
    exported = cli("store", "export", report_of(tmp_path).parent.name, "official", "--layout", "dpg")
    assert "60 of 65 samples are in official" in exported.stdout
    assert "left out: 'has no image' sample 0: no file for this prompt and image" in exported.stderr
    (tmp_path / "grids.yaml").write_text(yaml.safe_dump(suite(folder=str(tmp_path / "official"))))
    shutil.rmtree(tmp_path / "runs")
    cli("run", "grids.yaml", "-q")
    assert values(report_of(tmp_path)) == before


def test_a_folder_of_grids_says_how_it_is_read(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "grids.yaml").write_text(yaml.safe_dump(suite()))
    result = cli("run", "grids.yaml", "--model", VECTORS / "grids")
    assert result.returncode == 2
    assert "such as first.png: --set model.adapter=item_images" in result.stderr
