from __future__ import annotations

import numpy as np
import pytest
import torch

from nova_bench.nova import InputError
from nova_bench.nova.schedulers import load_scheduler
from nova_bench.nova.training import freeze_as_official, training_loss
from nova_bench.nova.whole_video import partial_video_tokens
from tests.nova.small import CONFIG, FLOW, IMAGE_CONFIG, transformer

ARRANGEMENTS = [
    {},
    {"rotary_pos_embed": True},
    {"norm_placement": "pre"},
    {"norm_placement": "post_after_residual", "video_mixer_rank": -1},
    {"temporal_autoregressive": False},
    {"temporal_autoregressive": False, "rotary_pos_embed": True, "video_mixer_rank": None},
]


def losses(model, latents, **options):
    prompts = [torch.randn(n, 24, generator=torch.Generator().manual_seed(n)) for n in range(1, len(latents) + 1)]
    sources = {"numpy_random": np.random.RandomState(3), "generator": torch.Generator().manual_seed(3)}
    return training_loss(model, load_scheduler(FLOW), latents, prompts, **sources, **options)


def video(*size: int) -> torch.Tensor:
    return torch.randn(*size, *CONFIG.latent_size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=lambda a: "-".join(map(str, a.values())) or "published")
def test_every_parameter_learns_in_every_arrangement(arrangement):
    model = transformer(CONFIG.with_arrangement(**arrangement)).requires_grad_(True)
    total = sum(losses(model, video(2, 4, 3)).values())
    total.backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    unused = {"mask_embed.bos_token"} if arrangement.get("temporal_autoregressive") is False else set()
    assert set(silent) == unused


@pytest.mark.parametrize("arrangement", [{}, {"temporal_autoregressive": False}])
def test_a_few_steps_lower_the_loss(arrangement):
    model = transformer(CONFIG.with_arrangement(**arrangement)).requires_grad_(True)
    freeze_as_official(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3, betas=(0.9, 0.95))
    history = []
    for _ in range(12):
        total = sum(losses(model, video(4, 4, 3)).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(total.item())
    assert history[-1] < 0.8 * history[0]


def test_images_have_one_loss():
    model = transformer(IMAGE_CONFIG)
    assert set(losses(model, video(2, 4))) == {"loss"}
    assert torch.equal(losses(model, video(2, 4))["loss"], losses(model, video(2, 4)[:, :, None])["loss"])


def test_frozen_parts():
    video_model, image_model = transformer(CONFIG).requires_grad_(True), transformer(IMAGE_CONFIG).requires_grad_(True)
    freeze_as_official(video_model)
    freeze_as_official(image_model)
    frozen = [
        {n.split(".")[0] for n, p in m.named_parameters() if not p.requires_grad} for m in (video_model, image_model)
    ]
    assert frozen == [{"text_embed", "motion_embed"}, {"text_embed", "video_pos_embed", "video_encoder"}]
    assert video_model.text_embed.proj.weight.requires_grad
    assert image_model.video_encoder.blocks[0].attn.qkv.weight.requires_grad


def test_earlier_frames_never_see_later_ones():
    """Causality: changing the last frame changes neither features nor loss of the first."""
    model, clip = transformer(), video(2, 4, 3)
    other = clip.clone()
    other[:, :, 2] += 1
    a, b = losses(model, clip), losses(model, other)
    torch.testing.assert_close(a["loss_t2i"], b["loss_t2i"])
    assert not torch.allclose(a["loss_i2i"], b["loss_i2i"], rtol=1e-3)
    bidirectional = transformer(CONFIG.with_arrangement(temporal_autoregressive=False))
    assert not torch.allclose(
        losses(bidirectional, clip)["loss_t2i"], losses(bidirectional, other)["loss_t2i"], rtol=1e-6
    )


def test_partial_video_tokens():
    model, frames = transformer(), video(2, 4)
    whole = model.video_encoder.patch_embed(frames)
    known = torch.ones(2, CONFIG.num_image_tokens)
    torch.testing.assert_close(partial_video_tokens(model, frames, known), whole, rtol=1e-5, atol=1e-5)
    nothing = partial_video_tokens(model, frames, 0 * known)
    torch.testing.assert_close(nothing, model.mask_embed.mask_token.expand_as(whole))
    # Two of the four image tokens of the first temporal token: the other two are not looked at.
    half = known.clone()
    half[:, [0, 1]] = 0
    changed = frames.clone()
    changed[:, :, :2, :4] += 5
    torch.testing.assert_close(partial_video_tokens(model, changed, half), partial_video_tokens(model, frames, half))


def test_wrong_shapes():
    with pytest.raises(InputError, match="latents have shape"):
        losses(transformer(), torch.zeros(2, 4, 3, 5, 5))
    with pytest.raises(InputError, match="1 prompts for 2 latents"):
        training_loss(transformer(), load_scheduler(FLOW), video(2, 4, 3), [torch.zeros(1, 24)])
