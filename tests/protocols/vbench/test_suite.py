"""suites/vbench.yaml through the command line, on videos in the official layout."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from nova_bench.config.loading import load_suite
from nova_bench.config.suite import PromptEntry
from nova_bench.protocols.vbench.composite import QUALITY, SEMANTIC
from nova_bench.video import write_mp4

from .conftest import CLIPS

SEMANTIC_GROUPS = ("human_action", "appearance_style", "temporal_style")
QUALITY_GROUPS = ("subject_consistency", "background_consistency", "temporal_flickering", "aesthetic_quality")


def cells(tmp_path: Path, name: str = "vbench") -> dict[str, dict]:
    (table,) = (tmp_path / "runs").glob(f"{name}-*/report/tables/metrics.json")
    return {row["cells"]["metric"]["value"]: row["cells"] for row in json.loads(table.read_text())["rows"]}


def test_a_limited_run_says_of_each_dimension_what_it_needs(
    cli: Callable, official_folder: Callable, tmp_path: Path
) -> None:
    uses = load_suite("vbench").scorers
    groups = dict.fromkeys(tag for use in uses for tag in use.tags)
    result = cli("run", "vbench", "--limit", len(groups), "--model", official_folder(*groups, prompts=1))
    assert result.returncode == 3, result.stderr
    found = cells(tmp_path)
    for use in uses:
        cell = found[use.name]["value"]
        assert cell.get("value") is None
        assert 1 <= cell["n_requested"] <= 2  # every dimension has a sample
        assert cell["note"].startswith("not computed: needs ")
        assert "python -m nova_bench assets fetch" in cell["note"]
    assert "needs raft-things.pth" in found["temporal_flickering"]["value"]["note"]
    assert 0.9 < found["temporal_flickering (first 5 unfiltered)"]["value"]["value"] < 1
    quality = found["vbench_quality"]["value"]
    assert quality["note"] == f"not computed: needs {', '.join(part.metric for part in QUALITY.parts)}"
    assert found["vbench_semantic"]["value"]["note"].endswith(", ".join(part.metric for part in SEMANTIC.parts))
    assert "object_class" in found["vbench_total"]["value"]["note"]
    assert found["vbench_total"]["published0"]["value"] == 0.7848


def test_only_some_dimensions(cli: Callable, official_folder: Callable, tmp_path: Path) -> None:
    result = cli("plan", "vbench", "--dims", "dynamic_degree, imaging_quality")
    assert "samples: 825, prompts: 165, scorers: 2" in result.stdout
    flickering = cli("plan", "vbench", "--dims", "temporal_flickering").stdout
    assert "samples: 1875, prompts: 75, scorers: 2" in flickering  # and the static filter that decides what counts
    wrong = cli("plan", "vbench", "--dims", "flickering")
    assert wrong.returncode == 2
    assert "has no scorer 'flickering'; did you mean 'temporal_flickering'?" in wrong.stderr
    folder = official_folder("temporal_flickering")
    run = cli("run", "vbench", "--dims", "temporal_flickering", "--limit", "3", "--model", folder)
    names = {"temporal_flickering", "temporal_flickering (first 5 unfiltered)", "static_filter"}
    assert set(cells(tmp_path)) == names  # no final scores, and no published ones of other dimensions
    assert "dynamic_degree:" not in run.stderr


def test_videos_of_ones_own_need_no_prompts(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for number, clip in enumerate(sorted(CLIPS.glob("*.mp4"))[:3]):
        shutil.copy(clip, tmp_path / "mine" / f"anything {number}.mp4")
    result = cli("run", "vbench_custom", "--model", "mine")
    assert result.returncode == 3  # no weights here
    found = cells(tmp_path, "vbench_custom")
    assert {name for name in found if name.startswith("vbench")} == set()
    for name in (part.metric for part in QUALITY.parts):
        assert found[name]["value"]["n_requested"] == 3
    assert found["temporal_flickering (all samples)"]["value"]["n_ok"] == 3


def test_prompts_of_ones_own_say_what_the_dimensions_look_for(cli: Callable, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    entries = [
        {"text": "a yellow umbrella", "tags": ["color"], "metadata": {"object": "umbrella", "color": "yellow"}},
        {"text": "a lighthouse"},
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, entries)))
    clip = sorted(CLIPS.glob("*.mp4"))[0]
    for entry in entries:
        shutil.copy(clip, tmp_path / "mine" / f"{entry['text']}-0.mp4")
    own = ("--set", "prompts.file=mine.jsonl", "--set", "prompts.samples_per_prompt=1", "--model", "mine")
    result = cli("run", "vbench_custom_prompts", *own)
    assert result.returncode == 3, result.stderr  # no weights here
    found = cells(tmp_path, "vbench_custom_prompts")
    assert found["color"]["value"]["n_requested"] == 1
    assert found["overall_consistency"]["value"]["n_requested"] == 2
    assert not {"object_class", "human_action"} & set(found)
    assert "No sample counts for object_class, multiple_objects, human_action" in " ".join(result.stdout.split())
    assert len(re.findall("assets fetch", result.stderr)) == 2  # one line at the start, one at the end
    (tmp_path / "mine.jsonl").write_text(json.dumps({**entries[0], "metadata": {"object": "umbrella"}}))
    refused = cli("plan", "vbench_custom_prompts", *own)
    assert refused.returncode == 2
    assert "mine.jsonl:1: prompt 'a yellow umbrella' lacks metadata 'color', which scorer color reads" in refused.stderr
    planned = cli("plan", "vbench_custom_prompts").stdout
    assert "samples: 40, prompts: 8, scorers: 17" in planned


def test_clips_of_five_seconds_are_told_once(cli: Callable, tmp_path: Path) -> None:
    """The leaderboard has another protocol for them."""
    (tmp_path / "mine").mkdir()
    for name, frames in (("short", 9), ("long", 10), ("longer", 12)):
        write_mp4(tmp_path / "mine" / f"{name}.mp4", torch.zeros(frames, 16, 16, 3, dtype=torch.uint8), 2)
    result = cli("run", "vbench_custom", "--model", "mine", "--dims", "temporal_flickering")
    told = "2 of the 3 videos looked at last 5 s or more ('long.mp4: 5.0 s', 'longer.mp4: 6.0 s'): VBench's leaderboard"
    assert result.stderr.count(told) == 1
    assert result.stderr.count("VBench-Long") == 1
    other = cli("run", "clips", "--model", "mine", "--set", "scorers=[dynamic_degree_dis]")
    assert "VBench-Long" not in other.stderr


def test_a_folder_without_official_names_is_told_which_suite_takes_it(
    cli: Callable, official_prompts: list[PromptEntry], tmp_path: Path
) -> None:
    (tmp_path / "my videos").mkdir()
    (tmp_path / "my videos" / "0001.mp4").touch()
    result = cli("run", "vbench", "--model", "my videos")
    assert result.returncode == 2
    error, remedy = result.stderr.splitlines()
    assert f"'{official_prompts[0].text}-0.mp4'; '0001.mp4' is read as prompt '0001', sample 0" in error
    assert (
        f"python -m nova_bench run vbench_custom --model '{tmp_path}/my videos' (needs no prompts), or name files"
        in remedy
    )


def test_files_with_other_names_are_left_out_and_named(cli: Callable, official_folder: Callable) -> None:
    folder = official_folder("dynamic_degree")
    for name in ("0001", "0002", "0003", "a person swimming in ocean-7"):
        (folder / f"{name}.mp4").touch()
    result = cli("run", "vbench", "--limit", 2, "--dims", "dynamic_degree", "--model", folder)
    assert result.returncode == 3  # no weights here
    assert (
        f"warning: {folder}: 4 of 8 files left out: they are not samples that the suite asks for: "
        "'0001.mp4', '0002.mp4', '0003.mp4', ...\n"
    ) in result.stderr


def test_the_settings_are_the_papers() -> None:
    sampling = load_suite("vbench").sampling
    assert (sampling.num_frames, sampling.height, sampling.width, sampling.fps) == (33, 480, 768, 12)
    assert (sampling.guidance_scale, sampling.num_inference_steps) == (7, 128)
    assert (sampling.num_diffusion_steps, sampling.motion_flow) == (25, 5)


def test_official_files_come_in_and_go_out_again(
    cli: Callable, official_folder: Callable, official_prompts: list[PromptEntry], tmp_path: Path
) -> None:
    groups = [group for group in (*QUALITY_GROUPS, *SEMANTIC_GROUPS) if group != "temporal_flickering"]
    folder = official_folder(*groups)
    cli("run", "vbench", "--limit", 8, "--dims", ",".join(groups), "--model", folder)
    (run,) = (tmp_path / "runs").glob("vbench-*")
    exported = cli("store", "export", run, "out", "--layout", "vbench")
    assert exported.returncode == 0, exported.stderr
    assert "8 of 8 samples are in out" in exported.stdout
    out = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert len(out) == 8
    assert all((folder / name).read_bytes() == content for name, content in out.items())
    cli("run", "vbench", "--limit", 8, "--dims", ",".join(groups), "--model", "out", "--store", "other")
    first, again = ((tmp_path / store).glob("vbench-*/report/samples.csv") for store in ("runs", "other"))
    assert next(first).read_text() == re.sub(r"\bout/", f"{folder.name}/", next(again).read_text())


def test_candidates_without_a_verdict_are_not_exported_as_static_ones(
    cli: Callable, official_folder: Callable, tmp_path: Path
) -> None:
    folder = official_folder("temporal_flickering")
    cli("run", "vbench", "--limit", 2, "--dims", "temporal_flickering", "--model", folder)
    (run,) = (tmp_path / "runs").glob("vbench-*")
    exported = cli("store", "export", run, "out", "--layout", "vbench")
    assert (exported.returncode, exported.stdout) == (3, "0 of 2 samples are in out\n")
    assert exported.stderr.count("static_filter has no verdict") == 2
