"""What is exported is what a suite reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from nova_bench.config.loading import load_suite
from nova_bench.core.errors import UserError
from nova_bench.prompts.reading import suite_prompts
from nova_bench.shapes import Scene, ShapesWorld, parse_caption
from nova_bench.shapes.export import different_clips, export
from nova_bench.video import read_clip


def test_files(tmp_path: Path) -> None:
    export(tmp_path, count=6, num_frames=21)
    world = ShapesWorld("test", num_frames=21)
    lines = [json.loads(line) for line in (tmp_path / "image_prompts.jsonl").read_text().splitlines()]
    assert len({line["text"] for line in lines}) == len(lines) == 6
    for line in lines:
        clip = world[line["x_index"]]
        assert line["text"] == clip.dense_caption
        assert Scene.from_json(json.dumps(line["x_scene"])) == clip.scene
        assert np.array_equal(read_clip(tmp_path / line["reference"]).frames, clip.frames)
        assert np.array_equal(read_clip(tmp_path / line["image"]).frames[0], clip.frames[0])
        tags = set(line["tags"])
        assert {"object_class", "color", "count", "motion", "all"} <= tags
        assert ("spatial_relationship" in tags) == (clip.scene.relation is not None)
        assert {thing.motion.kind for thing in clip.scene.objects} <= tags
    with (tmp_path / "questions.csv").open(newline="") as stream:
        items = dict.fromkeys((row["item_id"], row["text"]) for row in csv.DictReader(stream))
    assert list(items) == [(Path(line["image"]).stem, line["text"]) for line in lines]


def test_suite_reads_them(tmp_path: Path, write_suite) -> None:
    export(tmp_path / "shapes", count=4)
    for name, has_image in (("prompts", False), ("image_prompts", True)):
        suite = load_suite(str(write_suite(prompts={"file": f"shapes/{name}.jsonl"}, scorers=["shapes/color"])))
        entries = suite_prompts(suite)
        assert len(entries) == 4
        for entry in entries:
            assert parse_caption(entry.text).things
            assert (entry.image is not None) == has_image
            assert not has_image or Path(entry.reference).is_file()


def test_short_captions_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    chosen = different_clips("test", 120, seed=2, wording="short", notice=lambda text, asked: told.append(text))
    clips = list(chosen)
    assert len({clip.caption for _, clip in clips}) == 120
    seen = clips[-1][0] + 1
    why = "they have a caption that another one has"
    assert told == [f"shapes: of the first {seen} clips {seen - 120} are left out as {why}"]
    monkeypatch.setattr("nova_bench.shapes.export._SEARCHED", 1)  # as many scenes as prompts: some captions repeat
    with pytest.raises(UserError, match=r"test has only \d+ different short captions among 400 videos"):
        different_clips("test", 400, seed=2, wording="short")


def test_command_line(cli, tmp_path: Path) -> None:
    made = cli("shapes", "export", "out", "--count", "3", "--split", "val", "--captions", "short")
    assert made.returncode == 0, made.stderr
    assert str(Path("out") / "questions.csv") in made.stdout
    video = next((tmp_path / "out" / "clips").iterdir())
    clip = ShapesWorld("val")[int(video.stem.split("-")[1])]
    seen = cli("shapes", "see", video, "--prompt", clip.caption)
    assert seen.returncode == 0, seen.stderr
    thing = clip.scene.objects[0]
    assert f"{thing.size} {thing.color} {thing.shape}" in seen.stdout
    assert "color: as prompted" in seen.stdout
    assert "not as prompted" not in seen.stdout
    wrong = cli("shapes", "see", video, "--prompt", "a cat")
    assert wrong.returncode == 2
    assert "not a caption" in wrong.stderr
