"""The extrapolation suite in small, through the command line, on a pipeline with random weights.

Random weights make noise: what is tested is what is compared with what, never how good it is.
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nova_bench.core.intervals import Intervals
from nova_bench.experiments.study.curves import _ahead
from nova_bench.experiments.study.pooling import Pooled
from nova_bench.experiments.study.results import Setting
from tests import warm

PIPELINE = Path(__file__).parents[2] / "parity" / "vectors" / "t2v_abs_mixer" / "pipeline"
SMALL = [
    "--model", PIPELINE, "--limit", 2, "--set", "prompts.shapes.count=3",
    *("--set", "sampling.height=64", "--set", "sampling.width=96", "--set", "sampling.num_frames=17"),
    *("--set", "sampling.num_inference_steps=2", "--set", "sampling.num_diffusion_steps=2"),
    *("--set", "statistics.resamples=100", "--set", "strips.samples=[0]", "--set", "report.gallery=0"),
    *("--set", "report.figure_formats=[svg,png]"),
]  # fmt: skip
ARMS = ["interpolate", "extend", "window", "first frame repeated", "autoencoder's copy"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The command line as a function, and the folder in which the suite ran once."""
    folder = tmp_path_factory.mktemp("extrapolation")
    own = {"NOVA_BENCH_ASSETS": str(folder / "assets")}

    def run(*arguments):
        return warm.run(arguments, folder, {**os.environ, **own})

    result = run("run", "extrapolation", *SMALL)
    # LPIPS's weights aren't here: that alone is incomplete, and told once, of every arm.
    assert result.returncode == 3, result.stderr
    (gap,) = [line for line in result.stderr.splitlines() if line.startswith("incomplete: ")]
    assert gap.startswith(f"incomplete: {', '.join(ARMS)}: lpips: not computed: needs alexnet")
    return run, folder, result


def report_of(folder: Path) -> Path:
    (report,) = folder.glob("runs/extrapolation-??????/report")
    return report


def curve_points(folder: Path, metric: str) -> dict[str, list[float]]:
    with (report_of(folder) / "figures" / f"steps_{metric}.csv").open() as file:
        points: dict[str, list[float]] = {}
        for record in csv.DictReader(file):
            if record["kind"] == "curve":
                points.setdefault(record["label"], []).append(float(record["y"]))
        return points


@pytest.mark.slow
def test_a_figure_says_which_curve_is_missing(finished):
    _, folder, _ = finished
    figure = json.loads((report_of(folder) / "figures" / "steps_psnr.json").read_text())
    assert "No curve of lpips: not computed: needs alexnet" in figure["caption"]


def test_every_rule_and_both_bounds_have_a_curve_of_every_step(finished):
    _, folder, _ = finished
    for metric in ("psnr", "ssim"):
        points = curve_points(folder, metric)
        assert list(points) == ARMS
        assert {len(values) for values in points.values()} == {4}


def test_a_step_is_the_mean_of_its_frames_and_the_given_frame_belongs_to_none(finished):
    from nova_bench.pipeline.record import plan_of
    from nova_bench.store import Store
    from nova_bench.video import read_clip

    _, folder, _ = finished
    steps = []
    with Store.reader(folder / "runs") as store:
        (name,) = (n for n, *_ in store.run_names() if n.startswith("extrapolation-first-frame"))
        units = plan_of(store.run(name)).units
        made = store.artifacts(unit.digest for unit in units)
        for unit in units:
            video, truth = (read_clip(path).frames.numpy() for path in (made[unit.digest].path, unit.reference))
            assert len(video) == len(truth) == 17
            assert (video == truth[:1]).all()
            errors = np.square(video.astype(float) - truth).mean(axis=(1, 2, 3))
            per_frame = [min(100.0, 10 * np.log10(255**2 / error)) if error else 100.0 for error in errors]
            steps.append(np.reshape(per_frame[1:], (4, 4)).mean(axis=1))
    found = curve_points(folder, "psnr")["first frame repeated"]
    assert found == pytest.approx(np.mean(steps, axis=0), abs=1e-6)


def test_the_line_stands_where_videos_are_three_times_as_long_as_in_training(finished):
    run, folder, _ = finished
    figure = json.loads((report_of(folder) / "figures" / "steps_psnr.json").read_text())
    assert figure["marks"] == []  # this checkpoint saw 4 latent frames, and 5 are made here
    result = run("run", "extrapolation", *SMALL, "--set", "curves.marks=[1]")
    assert result.returncode == 3, result.stderr
    figure = json.loads((report_of(folder) / "figures" / "steps_psnr.json").read_text())
    # Step 3 makes latent frame 3, the fourth: then the video is as long as in training.
    assert figure["marks"] == [{"label": "1x the training length", "at": 3.0}]


def test_strips_stand_under_the_ground_truth(finished):
    _, folder, _ = finished
    figure = json.loads((report_of(folder) / "figures" / "strips_0.json").read_text())
    assert figure["rows"] == ["ground truth", *ARMS]
    assert figure["columns"] == ["step 0", "step 1", "step 2", "step 3", "step 4"]
    assert all(frame["there"] for frame in figure["frames"])
    assert (report_of(folder) / "figures" / "strips_0.png").stat().st_size > 10_000


@pytest.mark.slow
def test_videos_are_lossless_and_prompts_are_made_once(finished):
    run, folder, result = finished
    assert {path.suffix for path in (folder / "runs" / "artifacts").rglob("*.m*")} == {".mkv"}
    assert result.stderr.count("stage=prompts") == 1
    assert len(list((folder / "assets" / "prompts").iterdir())) == 4
    before = sorted((folder / "assets" / "prompts").iterdir())[0]
    content = before.read_bytes()
    before.unlink()
    again = run("run", "extrapolation", *SMALL)
    assert again.returncode == 3, again.stderr
    assert "stage=prompts done=1 total=1" in again.stderr
    assert "stage=generate" not in again.stderr
    assert before.read_bytes() == content


def test_planning_makes_no_file(finished, tmp_path):
    run, folder, _ = finished
    result = run("plan", "extrapolation", *SMALL, "--store", tmp_path / "none", "--set", "prompts.shapes.seed=5")
    assert result.returncode == 3, result.stderr
    assert "5 arms, 10 samples" in result.stdout
    assert len(list((folder / "assets" / "prompts").iterdir())) == 4


def test_a_mistake_is_told_before_a_checkpoint_that_is_not_here(cli):
    result = cli("run", "extrapolation", "--set", "prompts={clips: {folder: nosuch}}")
    assert result.returncode == 2
    assert "nosuch: no such folder (correct prompts.clips.folder)" in result.stderr
    assert result.stderr.splitlines()[-2].endswith("nosuch: no such folder")


@pytest.mark.slow
def test_without_the_checkpoint_the_baseline_is_still_computed(cli, tmp_path):
    small = [part for part in SMALL if part not in ("--model", PIPELINE)]
    result = cli("run", "extrapolation", *small)
    assert result.returncode == 3, result.stderr
    assert result.stderr.count("assets fetch nova-0.6b-t2v") >= 4
    points = curve_points(tmp_path, "psnr")
    assert list(points) == ["first frame repeated"]
    # The lengths of a step and of the training are the checkpoint's: without one, a step is a frame.
    assert len(points["first frame repeated"]) == 16


def test_how_long_each_setting_is_better_than_the_first_frame_repeated(finished):
    _, folder, _ = finished
    rows = json.loads((report_of(folder) / "tables" / "steps_ahead.json").read_text())["rows"]
    cells = {(row["cells"]["metric"]["value"], row["cells"]["setting"]["value"]): row["cells"] for row in rows}
    others = [arm for arm in ARMS if arm != "first frame repeated"]
    assert {key for key in cells if key[0] in ("psnr", "ssim")} == {
        (m, arm) for m in ("psnr", "ssim") for arm in others
    }
    for metric in ("psnr", "ssim"):
        points = curve_points(folder, metric)
        for arm in others:
            row = cells[metric, arm]
            assert row["of"]["value"] == 4
            assert 0 <= row["ahead"]["value"] <= 4
            difference = points[arm][-1] - points["first frame repeated"][-1]
            assert row["difference"]["value"] == pytest.approx(difference)
            if row["ahead"]["value"] == 4:
                assert row["difference"]["ci"][0] > 0


@pytest.mark.parametrize(
    ("higher_is_better", "low", "last"),
    [
        (True, [1, 2, 0.5], 3),
        (True, [1, -1, 3], 1),
        (True, [0, 1, 1], 0),
        (False, [1, 1, 1], 0),
        (False, [-9, -9, 1], 2),
    ],
)
def test_ahead_means_at_every_step_so_far(higher_is_better, low, last):
    ends = np.array(low, float)
    found = Pooled(ends, Intervals(ends, ends, ("bootstrap",) * 3, np.full(3, 9)))
    info = SimpleNamespace(higher_is_better=higher_is_better, unit="", digits=3)
    row = _ahead("m", info, Setting("A", ()), found, 3)
    assert row.cells["ahead"].value == last
