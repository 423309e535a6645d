"""Positions and motion tokens against the original implementation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nova_bench.nova.embeddings import MotionEmbed
from nova_bench.nova.extrapolation import frame_times
from nova_bench.nova.positions import TimeEmbed, grid, rotary_angles, rotary_table, rotate, space_embedding
from tests.parity.tolerances import assert_close

DIM, ROWS, COLUMNS, BASE = 32, 3, 5, 4


@pytest.fixture(scope="module")
def vectors() -> dict[str, torch.Tensor]:
    return load_file(Path(__file__).parent / "vectors" / "embeddings" / "vectors.safetensors")


def load(module: torch.nn.Module, vectors: dict[str, torch.Tensor], prefix: str) -> torch.nn.Module:
    weights = {key.removeprefix(prefix): value for key, value in vectors.items() if key.startswith(prefix)}
    module.load_state_dict(weights)
    return module.requires_grad_(False)


def test_space(vectors):
    assert_close("embeddings", space_embedding(DIM, ROWS, COLUMNS), vectors["space_embed"])


@pytest.mark.parametrize("length", [1, 3, 4, 9])
def test_time_at_several_lengths(vectors, length):
    embed = load(TimeEmbed(DIM, BASE), vectors, "video_pos_embed.")
    times = torch.tensor(frame_times("interpolate", length, BASE))
    assert_close("embeddings", embed(times), vectors[f"time_embed.T{length}"])


def test_motion(vectors):
    embed = load(MotionEmbed(DIM), vectors, "motion_embed.")
    assert_close("embeddings", embed(vectors["motion.flow"]), vectors["motion.out"])


def test_rotation(vectors):
    yx = grid(ROWS, COLUMNS)
    frames = [torch.cat((torch.full((len(yx), 1), t), yx), 1) for t in range(3)]
    positions = torch.cat(frames)[None]
    assert torch.equal(positions.float(), vectors["rope.pos"])
    x = vectors["rope.x"]
    table = rotary_table(rotary_angles(positions, x.shape[-1]), torch.float32, padding=4)
    assert_close("embeddings", rotate(x, table[:, :, None]), vectors["rope.out_pad4"])
