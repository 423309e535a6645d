"""The official package, which ships the prompt list; never imported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from nova_bench.assets import asset_path
from nova_bench.config.suite import PromptEntry
from nova_bench.core.notices import unheard
from nova_bench.protocols.vbench import prompts

CLIPS = Path(__file__).parents[2] / "data" / "vbench_clips"


@pytest.fixture
def official_prompts() -> list[PromptEntry]:
    """VBench's own entries; skipped where the package isn't installed."""
    if find_spec("vbench") is None:
        pytest.skip("vbench is not installed: pip install --no-deps vbench==0.1.5")
    return prompts.read(asset_path, unheard)


@pytest.fixture
def official_folder(tmp_path: Path, official_prompts: list[PromptEntry]) -> Callable[..., Path]:
    """A function: dimensions -> a folder in the official layout with two samples of the first two prompts of each."""

    def make(*dimensions: str, prompts: int = 2, samples: int = 2) -> Path:
        folder = tmp_path / "videos"
        folder.mkdir()
        clips = sorted(CLIPS.glob("*.mp4"))[:7]  # the eighth is too small for RAFT
        for shift, dimension in enumerate(dimensions):
            for number, entry in enumerate([e for e in official_prompts if dimension in e.tags][:prompts]):
                for index in range(samples):
                    clip = clips[(shift + number + 2 * index) % len(clips)]
                    shutil.copy(clip, folder / f"{entry.text}-{index}.mp4")
        return folder

    return make
