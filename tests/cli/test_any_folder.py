"""Videos from anywhere, through the command line: whatever a folder holds, what can be scored is, the rest is told."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nova_bench.video import write_image, write_lossless, write_mp4

BROKEN = ("cut.mp4", "empty.mp4", "gone.mp4", "text.mp4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four videos, an image, and as many that are broken, each in its own way."""
    folder = tmp_path / "videos"
    (folder / "deeper").mkdir(parents=True)
    frames = np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), dtype=np.uint8)
    for name in ("a.mp4", "b.mp4", "deeper/a.mp4"):
        write_mp4(folder / name, frames)
        frames = frames[:, ::-1]
    write_lossless(folder / "odd.mkv", frames[:2, :35, :37])
    write_image(folder / "image.png", frames[0])
    (folder / "cut.mp4").write_bytes((folder / "a.mp4").read_bytes()[:1000])
    (folder / "empty.mp4").touch()
    (folder / "gone.mp4").symlink_to("nothing.mp4")
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.mark.slow
def test_each_broken_file_is_told_once_and_costs_the_others_nothing(cli: Callable, folder: Path) -> None:
    result = cli("run", "clips", "--model", folder, "--set", "model.naming=path")
    assert result.returncode == 3, result.stderr
    told = [line for line in result.stderr.splitlines() if line.startswith("incomplete: ")]
    assert told[0] == "incomplete: temporal_flickering: 4 of 9 samples scored, 4 failed"
    assert "incomplete: psnr, ssim: not measurable on these samples: no reference clip was given" in told
    assert len(set(told)) == len(told) < 3 + len(BROKEN), "equal problems are one line"
    (failures,) = folder.parent.glob("runs/*/report/failures.csv")
    assert sorted(row["file"] for row in csv.DictReader(failures.open())) == [
        f"{folder.name}/{name}" for name in BROKEN
    ]
    (table,) = folder.parent.glob("runs/*/report/samples.csv")
    rows = [row for row in csv.DictReader(table.open(newline="")) if row["metric"] == "temporal_flickering"]
    files = {str(Path(row["file"]).relative_to(folder.name)): row["status"] for row in rows}
    scored = dict.fromkeys(("a.mp4", "b.mp4", "deeper/a.mp4", "odd.mkv"), "ok")
    assert files == {**scored, "image.png": "not measurable", **dict.fromkeys(BROKEN, "failed")}


def test_a_reference_that_does_not_fit_costs_the_others_nothing(cli: Callable, folder: Path) -> None:
    (folder / "list.csv").write_text("path,reference\na.mp4,b.mp4\nodd.mkv,b.mp4\nb.mp4,gone.mp4\n")
    result = cli("run", "clips", "--model", folder / "list.csv", "--dims", "psnr,temporal_flickering")
    assert result.returncode == 3, result.stderr
    assert "incomplete: psnr: 1 of 3 samples scored, 2 failed" in result.stderr
    assert "odd.mkv: 37x35, but its reference" in result.stderr
    assert "frames are compared pixel by pixel; bring both to one size" in result.stderr
    assert "reference: " in result.stderr


def test_one_reason_does_not_hide_another(cli: Callable, folder: Path) -> None:
    (folder / "list.csv").write_text("path,reference\na.mp4,\nb.mp4,a.mp4\n")
    result = cli("run", "clips", "--model", folder / "list.csv", "--set", "scorers=[ms_ssim]")
    assert result.returncode == 3, result.stderr
    assert "not measurable on these samples: no reference clip was given; 64x48 is " in result.stderr


def test_one_name_in_two_folders_says_what_to_do(cli: Callable, folder: Path) -> None:
    result = cli("run", "clips", "--model", folder)
    assert result.returncode == 2
    assert "two files for prompt 'a', sample 0" in result.stderr
    assert "--set model.naming=path" in result.stderr
