"""`nova_bench.load`: what a run of any kind measured, as a data frame."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
import yaml

import nova_bench
from nova_bench.core.errors import StoreError
from nova_bench.store import Store

ROOT = Path(__file__).parents[1]
TINY = ROOT / "results" / "tiny"


@pytest.fixture
def blessed(tmp_path: Path) -> Path:
    """The store of results/tiny; a copy, since SQLite writes beside what it reads."""
    shutil.copy(TINY / "store.sqlite", tmp_path)
    return tmp_path


@pytest.fixture
def names(blessed: Path) -> dict[str, str]:
    """Its runs by suite."""
    with Store.reader(blessed) as store:
        return {name.rsplit("-", 1)[0]: name for name, *_ in store.run_names()}


def test_a_benchmark_has_the_rows_of_its_samples_csv(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    scorers = ["roughness", {"name": "even", "settings": {"fail_on": "cat"}}]
    assert cli("run", write_suite(scorers=scorers)).returncode == 3
    (folder,) = (path for path in (tmp_path / "runs").glob("smoke-*") if path.is_dir())
    frame = nova_bench.load(folder).to_frame()
    written = pandas.read_csv(
        folder / "report" / "samples.csv", keep_default_na=False, na_values={"value": "", "weight": ""}
    )
    pandas.testing.assert_frame_equal(frame.drop(columns="details"), written, check_dtype=False)
    counts = frame.groupby(["metric", "status"]).size().to_dict()
    assert counts == {("even", "failed"): 2, ("even", "ok"): 4, ("roughness", "ok"): 6}
    assert frame["value"].isna().sum() == 2
    series = frame.loc[(frame["metric"] == "even") & (frame["status"] == "ok"), "details"].str["per_frame"]
    assert series.map(len).tolist() == [3] * 4


def test_the_means_of_a_study_are_its_table(blessed: Path, names: dict[str, str]) -> None:
    frame = nova_bench.load(names["extrapolation"], blessed).to_frame()
    means = frame.groupby(["metric", "setting"])["value"].mean().dropna()
    rows = json.loads((TINY / "tables/c-video-extrapolation/study.json").read_text(encoding="utf-8"))["rows"]
    shown = {
        (r["cells"]["metric"]["value"], r["cells"]["setting"]["value"]): r["cells"]["value"]["value"]
        for r in rows
        if "value" in r["cells"]["value"]
    }
    assert {"psnr", "ssim"} <= {metric for metric, _ in shown}
    assert means.to_dict() == pytest.approx(shown)


def test_a_collection_has_the_rows_of_its_parts(blessed: Path, names: dict[str, str]) -> None:
    frame = nova_bench.load(names["tiny"], blessed).to_frame()
    suite = yaml.safe_load((ROOT / "suites" / "tiny.yaml").read_text(encoding="utf-8"))
    own = {
        part["title"]: nova_bench.load(names[Path(part["suite"]).stem], blessed).to_frame() for part in suite["parts"]
    }
    measured = {title: rows for title, rows in own.items() if len(rows)}
    assert {"C. Video extrapolation", "F. DPG-Bench"} < set(measured)
    assert frame.groupby("part").size().to_dict() == {title: len(rows) for title, rows in measured.items()}
    assert set(frame.columns) == {"part"}.union(*(rows.columns for rows in measured.values()))


def test_parts_of_a_timed_call_are_within_its_total(blessed: Path, names: dict[str, str]) -> None:
    frame = nova_bench.load(names["latency"], blessed).to_frame()
    assert (frame[["text", "temporal", "spatial", "head", "vae"]].sum(axis=1) <= frame["total"]).all()
    assert frame["num_frames"].max() == 17


def test_a_run_that_is_not_there(blessed: Path) -> None:
    with pytest.raises(StoreError, match="no run 'gone'"):
        nova_bench.load("gone", blessed)


def test_the_package_itself_needs_no_heavy_library() -> None:
    heavy = ("pandas", "numpy", "torch")
    code = f"import sys, nova_bench; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
