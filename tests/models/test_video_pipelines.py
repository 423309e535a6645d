"""Text-to-video pipelines through the diffusers adapter, on random miniatures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models.test_diffusers import BATCH_TOLERANCE, PROMPTS, adapter, needs_packages, pixels, units
from tests.models.tiny_pipelines import SIDE
from tests.models.tiny_video_pipelines import VIDEO_PIPELINES, save_video_pipeline

FRAMES = 9

pytestmark = [needs_packages, pytest.mark.slow]


def sampling(frames: int) -> dict[str, int]:
    return {"num_frames": frames, "height": SIDE, "width": SIDE, "num_inference_steps": 2}


@pytest.mark.parametrize("name", VIDEO_PIPELINES)
def test_a_video_is_the_same_in_a_batch_and_alone(name: str, write_suite: Callable, tmp_path: Path) -> None:
    folder = save_video_pipeline(name, tmp_path / name)
    model = adapter(write_suite, {"adapter": "diffusers", "folder": str(folder), "sampling": sampling(FRAMES)})
    together = [pixels(output) for output in model.generate(units())]
    assert [tuple(video.shape) for video in together] == [(FRAMES, SIDE, SIDE, 3)] * len(PROMPTS)
    alone = [pixels(output) for unit in units() for output in model.generate([unit])]
    assert max(int((a - b).abs().max()) for a, b in zip(together, alone, strict=True)) <= BATCH_TOLERANCE
    assert int((together[0] - together[1]).abs().max()) > BATCH_TOLERANCE


def test_a_pipeline_runs_from_a_folder_to_videos(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    folder = save_video_pipeline("CogVideoXPipeline", tmp_path / "model")
    model = {"adapter": "diffusers", "folder": str(folder), "sampling": sampling(FRAMES)}
    write_suite(model=model, prompts={"entries": PROMPTS[:2]}, sampling={"num_frames": FRAMES, "fps": 8})
    result = cli("run", "suite.yaml")
    assert result.returncode == 0, result.stderr
    assert len([path for path in tmp_path.glob("runs/**/*.m[pk][4v]") if path.is_file()]) >= 2
