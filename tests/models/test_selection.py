"""What of a folder is scored and what is reported, through the command line."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

CLIPS = Path(__file__).parent.parent / "data" / "vbench_clips"
CLIP = CLIPS / "r8_small_120x112_8fps_4f.mp4"


def _suite(tmp_path: Path, **model: object) -> Path:
    suite = {
        "name": "any",
        "title": "Any",
        "model": {"adapter": "files", **model},
        "scorers": ["brightness"],
        "report": {"figure_formats": ["svg"]},
    }
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(suite))
    return path


def _put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CLIP, folder / name)


def _pictures(folder: Path, count: int, level: int = 0) -> None:
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(np.full((6, 8, 3), level + index, np.uint8)).save(folder / f"frame_{index + 1:03}.png")


def _samples(tmp_path: Path) -> list[dict[str, str]]:
    (path,) = (tmp_path / "runs").glob("any-*/report/samples.csv")
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_what_is_not_scored_is_counted_once_on_the_terminal_and_listed(cli: Callable, tmp_path: Path) -> None:
    _put(tmp_path / "v", "one.mp4", ".hidden.mp4")
    (tmp_path / "v/notes.txt").write_text("x")
    _put(tmp_path / "other", "two.MP4")
    (tmp_path / "v/linked").symlink_to(tmp_path / "other")
    result = cli("run", _suite(tmp_path, folder="v"), "-q")
    assert result.returncode == 0, result.stderr
    told = "v: 2 of 4 entries are not scored: 1 hidden ('.hidden.mp4'), 1 of an unsupported type: .txt ('notes.txt')"
    assert result.stderr.count(told) == 1
    assert {line["prompt"] for line in _samples(tmp_path)} == {"one", "two"}
    (found,) = (tmp_path / "runs").glob("any-*/report/notices.csv")
    assert "notes.txt: of an unsupported type" in found.read_text()


def test_a_pipe_is_a_failed_sample_and_nobody_waits(cli: Callable, tmp_path: Path) -> None:
    import os

    _put(tmp_path / "v", "one.mp4")
    os.mkfifo(tmp_path / "v/two.mp4")
    result = cli("run", _suite(tmp_path, folder="v"), "-q")
    assert result.returncode == 3
    assert "two.mp4: not a regular file" in result.stderr


def test_references_without_a_sample_are_reported_and_suffixes_meet_in_any_case(cli: Callable, tmp_path: Path) -> None:
    _put(tmp_path / "v", "a.MP4")
    _put(tmp_path / "truth", "a.mp4", "b.mp4", "list.txt")
    suite = yaml.safe_load(_suite(tmp_path, folder="v", references="truth").read_text())
    (tmp_path / "any.yaml").write_text(yaml.safe_dump({**suite, "scorers": ["psnr"]}))
    result = cli("run", "any.yaml", "-q")
    assert result.returncode == 0, result.stderr
    assert "truth: not used as references: 1 without a sample ('b.mp4'), 1 of an unsupported type" in result.stderr


def test_samples_of_a_prompt_are_its_clusters(cli: Callable, tmp_path: Path) -> None:
    _put(tmp_path / "v", "cat-0.mp4", "cat-1.mp4", "dog-0.mp4", "dog-1.mp4")
    suite = _suite(tmp_path, folder="v")
    result = cli("run", suite, "-q")
    assert "4 names PROMPT-INDEX are read as samples of 2 prompts ('cat', 'dog')" in result.stderr
    assert "--set model.naming=stem" in result.stderr
    assert {(line["prompt"], line["sample_index"]) for line in _samples(tmp_path)} == {
        (prompt, index) for prompt in ("cat", "dog") for index in "01"
    }
    shutil.rmtree(tmp_path / "runs")
    assert "PROMPT-INDEX" not in cli("run", suite, "-q", "--set", "model.naming=stem").stderr
    assert {line["prompt"] for line in _samples(tmp_path)} == {"cat-0", "cat-1", "dog-0", "dog-1"}


def test_pictures_stay_pictures_unless_frames_are_asked_for(cli: Callable, tmp_path: Path) -> None:
    _pictures(tmp_path / "v/a cat", 4, 100)
    _pictures(tmp_path / "v/a dog", 3, 50)
    suite = _suite(tmp_path, folder="v", naming="path")
    result = cli("run", suite, "-q")
    hint = "named like frames of a video ('a cat/frame_001.png' to 'a cat/frame_004.png', and in 1 more)"
    assert hint in result.stderr
    assert "--set model.layout=frames --set model.fps=N" in result.stderr
    assert len(_samples(tmp_path)) == 7
    shutil.rmtree(tmp_path / "runs")

    refused = cli("run", suite, "--set", "model.layout=frames")
    assert (refused.returncode, "`layout: frames` and `fps` go together" in refused.stderr) == (2, True)
    frames = ["--set", "model.layout=frames", "--set", "model.fps=12", "--set", "scorers=[brightness,roughness]"]
    result = cli("run", suite, "-q", *frames)
    assert result.returncode == 0, result.stderr
    values = {(line["prompt"], line["metric"]): float(line["value"]) for line in _samples(tmp_path)}
    assert len(values) == 4
    assert abs(values["a cat", "brightness"] - 101.5 / 255) < 1e-12
    again = cli("run", suite, *frames)
    assert "4 scores were there already" in again.stderr
    assert cli("report").returncode == 0
    assert "all files are intact" in cli("store", "verify").stdout


def test_pages_of_a_tiff_are_frames_when_asked_for(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    pages = [Image.fromarray(np.full((24, 32, 3), 100 + index, np.uint8)) for index in range(4)]
    pages[0].save(tmp_path / "v/a cat.tif", save_all=True, append_images=pages[1:])
    suite = _suite(tmp_path, folder="v", naming="path")
    result = cli("run", suite, "-q")
    assert "3 further pages of the TIFF left out: 1 sample" in result.stderr
    shutil.rmtree(tmp_path / "runs")
    frames = ["--set", "model.layout=frames", "--set", "model.fps=12", "--set", "scorers=[brightness,roughness]"]
    result = cli("run", suite, "-q", *frames)
    assert result.returncode == 0, result.stderr
    assert "left out" not in result.stderr
    values = {(line["prompt"], line["metric"]): float(line["value"]) for line in _samples(tmp_path)}
    assert abs(values["a cat.tif", "brightness"] - 101.5 / 255) < 1e-12
    again = cli("run", suite, *frames)
    assert "2 scores were there already" in again.stderr
    other = cli("run", suite, *frames, "--set", "model.fps=6")
    assert "there already" not in other.stderr
    assert "all files are intact" in cli("store", "verify").stdout


def test_a_folder_of_frames_changed_is_another_video(cli: Callable, tmp_path: Path) -> None:
    _pictures(tmp_path / "v", 4, 100)
    _pictures(tmp_path / "truth", 4, 101)
    model = {"folder": "v", "layout": "frames", "fps": 23.976, "references": "truth"}
    suite = yaml.safe_load(_suite(tmp_path, **model).read_text())
    (tmp_path / "any.yaml").write_text(yaml.safe_dump({**suite, "scorers": ["psnr", "brightness"]}))
    result = cli("run", "any.yaml", "-q")
    assert result.returncode == 0, result.stderr
    assert {line["prompt"] for line in _samples(tmp_path)} == {"v"}
    _pictures(tmp_path / "v", 3, 10)
    result = cli("run", "any.yaml")
    assert "there already" not in result.stderr
