"""The held-out loss: the training loss of the same draws, and the same draws for every model."""

from __future__ import annotations

import pytest
import torch

from nova_bench.nova.errors import InputError
from nova_bench.nova.held_out import held_out_loss
from nova_bench.nova.schedulers import load_scheduler
from nova_bench.nova.transformer import NOVATransformer3DModel
from tests.nova.small import CONFIG

FRAMES = 3


def model_of(seed: int = 0, **changes) -> NOVATransformer3DModel:
    torch.manual_seed(seed)
    model = NOVATransformer3DModel(CONFIG.with_arrangement(**changes) if changes else CONFIG)
    model.initialize()
    with torch.no_grad():  # so that everything has an effect
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture
def inputs() -> tuple[torch.Tensor, list[torch.Tensor]]:
    draw = torch.Generator().manual_seed(5)
    latents = torch.randn(2, CONFIG.image_dim, FRAMES, *CONFIG.latent_size, generator=draw)
    return latents, [torch.randn(3, CONFIG.text_token_dim, generator=draw) for _ in range(2)]


SCHEDULER = load_scheduler({"_class_name": "FlowMatchEulerDiscreteScheduler"})


def loss(model, latents, prompts, **options):
    return held_out_loss(model, SCHEDULER, latents, prompts, **{"mask_ratio": 0.7, "repeat": 2, **options})


def test_one_loss_for_each_clip_and_frame_whatever_shares_the_batch_s_context(inputs) -> None:
    latents, prompts = inputs
    found = loss(model_of(), latents, prompts)
    assert found.shape == (2, FRAMES)
    assert bool((found > 0).all())
    assert torch.equal(found, loss(model_of(), latents, prompts)), "nothing is drawn from elsewhere"
    assert not torch.equal(found, loss(model_of(), latents, prompts, seed=1))


def test_it_depends_on_earlier_frames_of_the_context_alone(inputs) -> None:
    latents, prompts = inputs
    model, expected = model_of(), loss(model_of(), latents, prompts)
    torch.testing.assert_close(loss(model, latents, prompts, context=latents.clone()), expected)
    other = latents.clone()
    other[:, :, 1] += 1
    found = loss(model, latents, prompts, context=other)
    torch.testing.assert_close(found[:, :2], expected[:, :2])
    assert not torch.allclose(found[:, 2], expected[:, 2])


def test_positions_of_more_frames_than_were_trained_follow_the_rule(inputs) -> None:
    latents, prompts = inputs
    longer = latents.repeat(1, 1, 2, 1, 1)
    assert longer.shape[2] > CONFIG.video_base_size[0]
    squeezed, extended = (loss(model_of(), longer, prompts, extrapolation=rule) for rule in ("interpolate", "extend"))
    torch.testing.assert_close(squeezed[:, 0], extended[:, 0])
    assert not torch.allclose(squeezed[:, 1:], extended[:, 1:])
    torch.testing.assert_close(
        loss(model_of(), latents[:, :, :2], prompts, extrapolation="extend"),
        loss(model_of(), latents[:, :, :2], prompts),
    )
    with pytest.raises(InputError, match="knows interpolate and extend"):
        loss(model_of(), longer, prompts, extrapolation="window")


def test_an_all_knowing_head_has_no_loss(inputs, monkeypatch) -> None:
    """The target itself as the prediction: the measure is the error of what the head predicts."""
    latents, prompts = inputs
    model, seen = model_of(), {}
    target = SCHEDULER.target

    def remembered(x, noise, index):
        seen["target"] = target(x, noise, index)
        return seen["target"]

    monkeypatch.setattr(SCHEDULER, "target", remembered)
    loss(model, latents, prompts)
    monkeypatch.setattr(type(model.image_decoder), "forward", lambda self, *_: seen["target"])
    assert torch.equal(loss(model, latents, prompts), torch.zeros(2, FRAMES))


def test_without_temporal_autoregression_there_is_no_context(inputs) -> None:
    latents, prompts = inputs
    model = model_of(temporal_autoregressive=False)
    assert loss(model, latents, prompts).shape == (2, FRAMES)
    with pytest.raises(InputError, match="no earlier frames"):
        loss(model, latents, prompts, context=latents)


def test_something_must_be_masked(inputs) -> None:
    with pytest.raises(InputError, match=r"mask_ratio 0\.01: no token of 8 is masked"):
        loss(model_of(), *inputs, mask_ratio=0.01)
