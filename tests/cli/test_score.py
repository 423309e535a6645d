"""`nova_bench score`: media of any kind, without a suite."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CLIPS = Path(__file__).parent.parent / "data" / "vbench_clips"
CLIP, OTHER = CLIPS / "r8_small_120x112_8fps_4f.mp4", CLIPS / "r5_short_160x136_10fps_2f.mp4"


def values(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("runs/score-*/report/tables/metrics.json")
    rows = json.loads(path.read_text())["rows"]
    return {row["cells"]["metric"]["value"]: row["cells"]["value"].get("value") for row in rows}


def pictures(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for level, name in enumerate(names):
        Image.fromarray(np.full((32, 32, 3), 20 * level, np.uint8)).save(folder / f"{name}.png")


@pytest.mark.parametrize("where", ["clip.mp4", "."])
def test_a_file_and_a_folder_without_weights(where: str, cli: Callable, tmp_path: Path) -> None:
    shutil.copy(CLIP, tmp_path / "clip.mp4")
    result = cli("score", where)
    assert result.returncode == 0, result.stderr
    found = values(tmp_path)
    assert set(found) == {"temporal_flickering", "dynamic_degree_dis"}
    assert None not in found.values()
    assert "more: --reference PATH: psnr, ssim, ms_ssim against the media in PATH\n" in result.stderr
    assert "VBench's quality dimensions (first: python -m nova_bench assets fetch vbench)" in result.stderr


def test_against_a_folder_of_references(cli: Callable, tmp_path: Path) -> None:
    for name in ("made", "true"):
        (tmp_path / name).mkdir()
        shutil.copy(CLIP, tmp_path / name / "clip.mp4")
    result = cli("score", "made", "--reference", "true")
    assert result.returncode == 0, result.stderr
    found = values(tmp_path)
    assert found["ssim"] == pytest.approx(1)
    assert "ms_ssim" not in found  # the clip is too small for it, which is no failure
    assert "ms_ssim: not measurable on these samples: 120x112 is too small" in result.stdout


def test_chosen_metrics_against_a_file(cli: Callable, tmp_path: Path) -> None:
    result = cli("score", CLIP, "--metrics", "psnr, ssim", "--reference", CLIP)
    assert result.returncode == 0, result.stderr
    assert list(values(tmp_path)) == ["psnr", "ssim"]
    assert "more:" not in result.stderr


def test_folders_of_frames_need_a_rate(cli: Callable, tmp_path: Path) -> None:
    pictures(tmp_path / "all" / "one", *(f"f_{index:03}" for index in range(6)))
    result = cli("score", "all")
    assert result.returncode == 2
    assert "all: its pictures are named like frames of a video ('one/f_000.png' to 'one/f_005.png')" in result.stderr
    result = cli("score", "all", "--fps", "8")
    assert result.returncode == 0, result.stderr
    assert values(tmp_path)["temporal_flickering"] == pytest.approx(1 - 20 / 255)


def test_media_on_which_nothing_can_be_measured(cli: Callable, tmp_path: Path) -> None:
    pictures(tmp_path / "pictures", "cat", "dog")
    result = cli("score", "pictures")
    assert result.returncode == 3
    assert "incomplete: temporal_flickering: not measurable on these samples: one frame" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["gone"], "gone: no such file or folder"),
        ([CLIP, "--metrics", "psnrr"], "--metrics: unknown scorer 'psnrr'; did you mean 'psnr'?"),
        ([CLIP, "--metrics", ","], "--metrics ',' names no scorer"),
        ([CLIP, "--fps", "8"], f"--fps: {CLIP} holds videos, which have a frame rate"),
        ([CLIPS, "--reference", CLIP], f"--reference {CLIP}: {CLIPS} is a folder, this is a file"),
        ([CLIP, "--reference", "gone"], "--reference gone: no such file or folder"),
        ([__file__], f"{__file__}: neither a video or image nor a manifest"),
    ],
)
def test_what_can_not_be_scored_is_told(arguments: list[object], problem: str, cli: Callable) -> None:
    result = cli("score", *arguments)
    assert result.returncode == 2
    assert f"error: {problem}" in result.stderr


def test_another_size_than_the_reference_fails_alone(cli: Callable, tmp_path: Path) -> None:
    result = cli("score", CLIP, "--reference", OTHER)
    assert result.returncode == 3
    assert values(tmp_path)["temporal_flickering"] is not None
    assert "120x112, but its reference" in result.stderr
