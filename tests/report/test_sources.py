"""A report stands on the store alone: files that were scored may be moved, deleted or changed since."""

from __future__ import annotations

import csv
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

CLIPS = Path(__file__).parents[1] / "data" / "vbench_clips"
OLD = Path(__file__).parents[1] / "data" / "old_store.zip"
FIRST, SECOND = "r8_small_120x112_8fps_4f.mp4", "r5_short_160x136_10fps_2f.mp4"
ADAPTED = "--set=scorers=[temporal_flickering]"


@pytest.fixture
def scored(tmp_path: Path, cli: Callable, write_suite: Callable) -> Path:
    """The report's folder of two clips in ``tmp_path / "clips"``, scored."""
    (tmp_path / "clips").mkdir()
    for name in (FIRST, SECOND):
        shutil.copy(CLIPS / name, tmp_path / "clips" / name)
    suite = write_suite(model={"adapter": "files", "folder": "clips"}, prompts=None, sampling={})
    assert cli("run", suite).returncode == 0
    return next(tmp_path.glob("runs/smoke-*")) / "report"


def values(report: Path) -> list[tuple[str, ...]]:
    """Prompt, metric, status and value of each sample."""
    with (report / "samples.csv").open() as stream:
        return [(row["prompt"], row["metric"], row["status"], row["value"]) for row in csv.DictReader(stream)]


def pictures(report: Path) -> int:
    return (report / "index.html").read_text().count("data:image/jpeg")


def delete(folder: Path) -> str:
    shutil.rmtree(folder)
    return "the file is gone or was moved"


def move(folder: Path) -> str:
    folder.rename(folder.with_name("elsewhere"))
    return "the file is gone or was moved"


def exchange(folder: Path) -> str:
    """Each clip has the other's name, with size and date as they were as far as that can be."""
    first, second = folder / FIRST, folder / SECOND
    first.rename(folder / "x")
    second.rename(first)
    (folder / "x").rename(second)
    return "the file has changed since it was scored"


def rewrite(folder: Path) -> str:
    for path in folder.iterdir():
        status = path.stat()
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return "the file has changed since it was scored"


@pytest.mark.parametrize("change", [delete, move, exchange, rewrite])
def test_scores_stand_as_they_were(change: Callable, scored: Path, cli: Callable, tmp_path: Path) -> None:
    before, shown = values(scored), pictures(scored)
    assert shown >= 2
    note = change(tmp_path / "clips")
    done = cli("report", "--out", "again")
    again = tmp_path / "again" / "report"
    assert done.returncode == 0, done.stderr
    assert values(again) == before
    assert pictures(again) == shown
    assert f"note: {note}" in done.stderr
    assert note in (again / "index.html").read_text()
    assert "not computed" not in (again / "index.html").read_text()


def test_a_changed_file_is_scored_anew(scored: Path, cli: Callable, tmp_path: Path) -> None:
    before = values(scored)
    exchange(tmp_path / "clips")
    assert cli("run", "suite.yaml").returncode == 0
    runs = sorted(tmp_path.glob("runs/smoke-*/report"), key=lambda report: report != scored)
    assert len(runs) == 2
    old, new = map(dict, ([(p, value) for p, _, _, value in values(report)] for report in runs))
    assert old != new
    assert sorted(old.values()) == sorted(new.values())
    assert values(scored) == before


def test_a_store_of_an_earlier_version(tmp_path: Path, cli: Callable) -> None:
    with zipfile.ZipFile(OLD) as archive:
        archive.extractall(tmp_path)
    assert cli("plan", "rest.yaml").returncode == 2  # its first frame lies elsewhere
    done = cli("report", "clips-2f970f", "rest-265d7e")
    assert done.returncode == 0, done.stderr
    assert [row[3] for row in values(tmp_path / "runs" / "clips-2f970f" / "report")] == ["0.9826967592592593", "1.0"]
    assert [row[3] for row in values(tmp_path / "runs" / "rest-265d7e" / "report")] == ["1.0"]
    suite = (tmp_path / "rest.yaml").read_text().replace("/elsewhere/", "")
    (tmp_path / "rest.yaml").write_text(suite)
    done = cli("run", "rest.yaml")
    assert (done.returncode, "1 samples were there already" in done.stderr) == (0, True), done.stderr
    assert "1 scores were there already" in done.stderr
    assert [path.name for path in (tmp_path / "runs").glob("rest-*")] == ["rest-265d7e"]


def test_a_moved_store_says_nowhere_where_it_was(tmp_path: Path, cli: Callable, write_suite: Callable) -> None:
    old = tmp_path / "before-the-move"
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(CLIPS / FIRST, clips / FIRST)
    (clips / "bad.mp4").write_text("no video")
    suite = write_suite(model={"adapter": "files", "folder": str(clips)}, prompts=None, sampling={})
    assert cli("run", suite, "--store", old / "runs").returncode == 3
    (old / "runs").rename(tmp_path / "runs")
    (report,) = tmp_path.glob("runs/*/report")
    for place in (old.name, str(tmp_path)):  # neither its own place nor, as an absolute path, that of the clips
        for path in report.rglob("*"):
            assert path.is_dir() or place.encode() not in path.read_bytes(), path
    assert "clips/bad.mp4: " in (report / "failures.csv").read_text()
    assert cli("report").returncode == 3
    for path in report.rglob("*"):
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes(), path
    for name in ("run.log", "manifest.json"):
        assert old.name not in (report.parent / name).read_text()
        assert str(tmp_path) not in (report.parent / name).read_text()
    assert json.loads((report.parent / "manifest.json").read_text())["suite"]["model"]["folder"] == "…/clips"
    assert "clips/bad.mp4: " in (report.parent / "run.log").read_text()


def test_a_richer_report_is_kept(scored: Path, cli: Callable, tmp_path: Path) -> None:
    page = (scored / "index.html").read_bytes()
    name = scored.parent.name
    for lost, left in (("clips", "2 previews, 0 videos"), ("runs/previews", "0 previews, 0 videos")):
        shutil.rmtree(tmp_path / lost)
        done = cli("report")
        assert f"the earlier report is kept in {name}/report, since it shows more" in done.stderr
        assert f"(4 values, 2 previews, 2 videos or images; the new one: 4 values, {left} or images)" in done.stderr
        assert f"`report {name} --out FOLDER` writes the new one elsewhere" in done.stderr
        assert (scored / "index.html").read_bytes() == page
    assert cli("report", "--out", "other").returncode == 0
    assert len(values(tmp_path / "other" / "report")) == len(values(scored))
