"""`nova_bench.score`: media in memory and by path give the numbers of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import nova_bench
from nova_bench.core.errors import UserError
from nova_bench.video import read_clip

CLIP = Path(__file__).parent.parent / "data" / "vbench_clips" / "r8_small_120x112_8fps_4f.mp4"


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return read_clip(CLIP).frames.numpy()


def flickering(results: nova_bench.Results) -> list[float]:
    frame = results.to_frame()
    return frame.loc[frame["metric"] == "temporal_flickering", "value"].tolist()


@pytest.mark.slow
def test_every_form_of_a_video_is_the_file(frames: np.ndarray) -> None:
    tensor = torch.from_numpy(frames).movedim(-1, 1)
    forms: list[Any] = [CLIP, frames, tensor, tensor / 255, frames / 255, [Image.fromarray(one) for one in frames]]
    found = [flickering(nova_bench.score(form, metrics=["temporal_flickering"])) for form in forms]
    assert len(found[0]) == 1
    assert found == [found[0]] * len(forms)


def test_lists_and_batches_are_several_videos(frames: np.ndarray) -> None:
    pictures = [Image.fromarray(one) for one in frames]
    batch = nova_bench.score(np.stack([frames, frames[::-1]]), "temporal_flickering", prompts=["a cat", "a cat"])
    assert batch.to_frame()[["prompt", "sample_index"]].to_numpy().tolist() == [["a cat", 0], ["a cat", 1]]
    mixed = nova_bench.score([frames, pictures, str(CLIP)], "temporal_flickering")
    assert flickering(mixed) == [flickering(batch)[0]] * 3


def test_what_is_not_given_is_not_measured(frames: np.ndarray) -> None:
    assert nova_bench.score(frames).summary()["Metric"].tolist() == ["temporal_flickering"]
    results = nova_bench.score(frames, reference=frames, fps=8)
    summary = results.summary().set_index("Metric")
    assert summary.index.tolist() == ["temporal_flickering", "dynamic_degree_dis", "psnr", "ssim"]  # too small: ms_ssim
    assert summary.loc["ssim", "Value"] == pytest.approx(1)
    assert results.incomplete == ()
    assert "temporal_flickering" in results._repr_html_()
    assert len(results.plot().axes) > 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda x: x / np.float32(127.5) - 1, r"values from -1 to 1, expected 0 to 1 \(x \* 0.5 \+ 0.5\)"),
        (lambda x: x.astype(np.float32), r"values from 0 to 255, expected 0 to 1 \(x / 255\)"),
        (lambda x: np.where(x > 0, np.nan, x), r"values from nan to nan, expected 0 to 1"),
        (lambda x: x.astype(np.int32), r"int32 \(give uint8"),
        (lambda x: x[..., :2], r"shape \(2, 4, 4, 2\) \(arrays are \[T, H, W, 3\]"),
        (lambda x: [], "media: empty"),
        (lambda x: [[x]], r"media\[0\]: a list inside a list holds PIL images"),
        (lambda x: 3, "int is neither a path nor media"),
        (lambda x: "gone.mp4", "gone.mp4: no such file or folder"),
        (lambda x: ["gone.mp4"], r"media\[0\]: gone.mp4: no such file"),
    ],
)
def test_media_that_are_none(change: Any, problem: str) -> None:
    video = np.zeros((2, 4, 4, 3), np.uint8)
    video[1] = 255
    with pytest.raises(UserError, match=problem):
        nova_bench.score(change(video))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"metrics": ["dynamic_degree_dis"]}, r"dynamic_degree_dis: needs fps \(score\(..., fps=...\)\)"),
        ({"metrics": ["psnr"]}, "psnr: needs reference"),
        ({"metrics": ["overall_consistency"]}, "overall_consistency: needs prompts"),
        ({"metrics": ["psnrr"]}, "did you mean 'psnr'"),
        ({"prompts": ["a", "b"]}, "1 videos, but 2 prompts"),
    ],
)
def test_metrics_that_lack_something(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        nova_bench.score(np.zeros((2, 4, 4, 3), np.uint8), **options)
