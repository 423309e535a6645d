"""Shortcuts in the encoders against the plain computation they stand for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_bench.nova.blocks import Block
from nova_bench.nova.config import NORM_PLACEMENTS
from nova_bench.nova.extrapolation import TemporalContext, frame_times
from nova_bench.nova.guidance import Guidance
from nova_bench.nova.mixer import AdaLayerNorm, ScaleShift
from nova_bench.nova.observe import Observer
from nova_bench.nova.patches import PatchEmbed, gather_tokens, patchify, scatter_tokens, unpatchify
from nova_bench.nova.positions import rotary_angles, rotary_table, rotate
from nova_bench.nova.spatial import SpatialCache, SpatialEncoder
from nova_bench.nova.training import causal_features
from tests.nova.small import CONFIG, spread, transformer


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-5, atol=2e-6)


def plain_attention(block: Block, x: torch.Tensor) -> torch.Tensor:
    q, k, v = block.attn.qkv(x).chunk(3, -1)
    heads = block.attn.heads
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    return block.attn.proj((weights @ v).transpose(1, 2).flatten(2))


def plain_mlp(block: Block, x: torch.Tensor) -> torch.Tensor:
    return block.mlp.fc2(F.gelu(block.mlp.fc1(x)))


@pytest.mark.parametrize("placement", NORM_PLACEMENTS)
def test_norm_placements(placement):
    block = spread(Block(16, 2, placement)).requires_grad_(False)
    x = torch.randn(2, 5, 16)
    if placement == "post_before_residual":
        h = x + block.norm1(plain_attention(block, x))
        expected = h + block.norm2(plain_mlp(block, h))
    elif placement == "post_after_residual":
        h = block.norm1(x + plain_attention(block, x))
        expected = block.norm2(h + plain_mlp(block, h))
    else:
        h = x + plain_attention(block, block.norm1(x))
        expected = h + plain_mlp(block, block.norm2(h))
    close(block(x), expected)
    close(block(x, queries=slice(2, 4)), expected[:, 2:4])


@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("rank", [None, 4, -1])
@pytest.mark.parametrize("placement", NORM_PLACEMENTS)
def test_frame_by_frame_equals_one_masked_pass(rotary, rank, placement):
    """The cached steps of sampling and the block-causal pass of training are the same function."""
    config = CONFIG.with_arrangement(rotary_pos_embed=rotary, video_mixer_rank=rank, norm_placement=placement)
    model = transformer(config)
    video = torch.randn(2, 4, 5, *config.latent_size)
    condition = torch.randn(2, 7, config.width)
    whole = causal_features(model, video, condition)
    context = TemporalContext(model, condition, Guidance(1.0), frame_times("interpolate", 5, 3), Observer())
    for t in range(5):
        close(context.advance(video[:, :, t - 1] if t else None), whole[:, t])


@given(visible=st.integers(0, 7), count=st.integers(1, 8), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_spatial_outputs_of_a_slice_equal_the_full_outputs(visible, count, seed):
    model = transformer().image_encoder
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randn(2, 8, CONFIG.width, generator=draw)
    condition = torch.randn(4, 2, CONFIG.width, generator=draw)
    part = slice(visible, min(visible + count, 8))
    full = model(tokens, condition, visible, slice(0, 8))
    close(model(tokens, condition, visible, part), full[:, part])


def test_spatial_first_half_never_sees_masked_tokens():
    model = transformer().image_encoder
    tokens, condition = torch.randn(1, 8, CONFIG.width), torch.randn(1, 2, CONFIG.width)
    seen = {}
    model.blocks[0].register_forward_hook(lambda _, args, out: seen.update(tokens=args[0].shape[1]))
    model(tokens, condition, 3, slice(3, 5))
    assert seen["tokens"] == 2 + 3


@given(
    depth=st.integers(1, 5), placement=st.sampled_from(NORM_PLACEMENTS), rotary=st.booleans(),
    steps=st.lists(st.integers(0, 7), min_size=1, max_size=4), new_condition=st.booleans(), copies=st.integers(1, 3),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_spatial_steps_with_a_cache_equal_those_without(depth, placement, rotary, steps, new_condition, copies):
    """For two frames in a row, whether the condition stays during a frame or changes with each step."""
    model = spread(SpatialEncoder(depth, 32, 2, 4, 2, placement)).requires_grad_(False).double()
    draw = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    masked = normal(2, 8, 32)
    table = rotary_table(normal(2 * copies, 8, 8), masked.dtype, 3)[:, :, None] if rotary else None
    cache = SpatialCache(model, masked)
    for _ in range(2):
        tokens, content, condition = masked.clone(), normal(2, 8, 32), normal(2 * copies, 3, 32)
        cache.begin_frame()
        for visible in sorted(steps):
            tokens[:, :visible] = content[:, :visible]
            if new_condition:
                condition = normal(2 * copies, 3, 32)
            call = (tokens, condition, visible, slice(visible, 8), table)
            close(model(*call, cache), model(*call))


def test_a_known_token_is_projected_once_a_frame():
    model = spread(SpatialEncoder(4, 32, 2, 4, 2, "post_before_residual")).requires_grad_(False)
    tokens, condition = torch.randn(1, 8, 32), torch.randn(2, 3, 32)
    cache = SpatialCache(model, tokens)
    rows = {0: 0, 2: 0}
    for i in rows:
        model.blocks[i].attn.qkv.register_forward_hook(
            lambda _, args, out, i=i: rows.update({i: rows[i] + out.numel()})
        )
    for visible in (0, 1, 5):
        model(tokens, condition, visible, slice(visible, 8), cache=cache)
    # The first block: the condition and five tokens, without guidance copies. Of the third, no masked token.
    assert rows == {0: (2 * 3 + 5) * 96, 2: 2 * (3 + 4 + 8) * 96}


def test_mixer_ranks():
    current, anchor = torch.randn(2, 3, 8), torch.randn(2, 3, 8)
    for rank in (2, -1):
        mixer = spread(ScaleShift(8, rank)).requires_grad_(False)
        z = F.silu(current)
        z = mixer.lora(z) if rank > 0 else z
        scale, shift = mixer.proj(z)[..., :8], mixer.proj(z)[..., 8:]
        close(mixer(anchor, current), anchor * (1 + scale) + shift)
    assert len(AdaLayerNorm(8, chunks=3).statistics(current)) == 3


@given(rows=st.integers(1, 4), columns=st.integers(1, 4), patch=st.sampled_from([1, 2, 4]), seed=st.integers(0, 99))
@settings(deadline=None)
def test_patches(rows, columns, patch, seed):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 4, rows * patch, columns * patch, generator=draw)
    patches = patchify(x, patch)
    assert torch.equal(unpatchify(patches, patch, *x.shape[2:]), x)
    assert torch.equal(patches[:, 0, :4], x[:, :, 0, 0])
    embed = PatchEmbed(4, 6, patch).requires_grad_(False)
    close(embed.embed_patches(patches), embed(x))
    order = torch.rand(2, rows * columns, generator=draw).argsort(1)
    assert torch.equal(scatter_tokens(gather_tokens(patches, order), order), patches)


@given(st.lists(st.integers(0, 40), min_size=3, max_size=3), st.lists(st.integers(0, 40), min_size=3, max_size=3))
@settings(deadline=None)
def test_rotary_scores_depend_on_distance_only(a, b):
    draw = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 32, generator=draw, dtype=torch.float64)

    def score(p, r):
        tables = (rotary_table(rotary_angles(torch.tensor([x]), 32), torch.float64) for x in (p, r))
        first, second = (rotate(v, table[:, None, None]) for v, table in zip((q, k), tables, strict=True))
        return (first * second).sum()

    moved = score([x + 3 for x in a], [x + 3 for x in b])
    torch.testing.assert_close(score(a, b), moved, rtol=1e-4, atol=1e-4)


def test_extrapolation_positions():
    assert frame_times("interpolate", 6, 3) == [0, 0.5, 1, 1.5, 2, 2.5]
    assert frame_times("extend", 6, 3) == [0, 1, 2, 3, 4, 5]
    assert frame_times("window", 6, 3) == [0, 1, 2]
    for rule in ("interpolate", "extend", "window"):
        assert frame_times(rule, 2, 3) == [0, 1.5]
