"""The video autoencoder with gradients: the library's layers, run on whole batches with plain operators.

`nova_bench.nova.vae` is arranged for generation: one video at a time, in memory that later layers overwrite, so
it can't be differentiated. Here ordinary operators use the same parameters; a test checks that both give equal
results.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_bench.kernels import half
from nova_bench.nova.vae.layers import (
    Attention,
    CausalConv3d,
    Downsample,
    FrameConv2d,
    MidBlock,
    ResBlock,
    UpsampleSpace,
    UpsampleVideo,
)
from nova_bench.nova.vae.opensora import AutoencoderKLOpenSora, DecoderBlock, EncoderBlock


def moments(vae: AutoencoderKLOpenSora, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance of the posterior, [B, C, T, h, w] each, of frames [B, 3, F, H, W] in [-1, 1].

    F = 1 + stride * j frames, at most the 17 of one time tile. The log variance is clamped as in the library.
    """
    encoder = vae.encoder
    x = _conv(encoder.conv_in, frames)
    for block in encoder.down_blocks:
        assert isinstance(block, EncoderBlock)
        for layer in (*block.resnets, *block.downsamplers):
            x = _layer(layer, x)
    x = _conv(encoder.conv_out, F.silu(_norm(encoder.conv_norm_out, _mid(encoder.mid_block, x))))
    if vae.quant_conv is not None:
        x = _conv(vae.quant_conv, x)
    mean, log_variance = x.float().chunk(2, 1)
    return mean, log_variance.clamp(-30.0, 20.0)


def decode(vae: AutoencoderKLOpenSora, latents: Tensor) -> Tensor:
    """Frames [B, 3, F, H, W] of unscaled latents [B, C, T, h, w], at most the 5 of one time tile."""
    decoder = vae.decoder
    x = latents if vae.post_quant_conv is None else _conv(vae.post_quant_conv, latents)
    x = _mid(decoder.mid_block, _conv(decoder.conv_in, x))
    for block in decoder.up_blocks:
        assert isinstance(block, DecoderBlock)
        for layer in (*block.resnets, *block.upsamplers):
            x = _layer(layer, x)
    return _conv(decoder.conv_out, F.silu(_norm(decoder.conv_norm_out, x)))


def _layer(layer: nn.Module, x: Tensor) -> Tensor:
    if isinstance(layer, ResBlock):
        return _residual(layer, x)
    if isinstance(layer, Attention):
        return _attention(layer, x)
    if isinstance(layer, Downsample):
        return _conv(layer.conv, F.pad(x, (0, 1, 0, 1)), stride=2)
    if isinstance(layer, UpsampleSpace):
        return _conv(layer.conv, F.interpolate(x, scale_factor=(1, 2, 2), mode="nearest"))
    assert isinstance(layer, UpsampleVideo)
    first = F.interpolate(x[:, :, :1], scale_factor=(1, 2, 2), mode="trilinear")
    if x.shape[2] > 1:
        first = torch.cat((first, F.interpolate(x[:, :, 1:], scale_factor=2, mode="trilinear")), 2)
    return _conv(layer.conv, first)


def _residual(block: ResBlock, x: Tensor) -> Tensor:
    hidden = _conv(block.conv1, F.silu(_norm(block.norm1, x, block.per_frame)))
    hidden = _conv(block.conv2, F.silu(_norm(block.norm2, hidden, block.per_frame)))
    return hidden + (x if block.conv_shortcut is None else _conv(block.conv_shortcut, x))


def _mid(block: MidBlock, x: Tensor) -> Tensor:
    x = _layer(block.resnets[0], x)
    x = x + _layer(block.attentions[0], x)
    return _layer(block.resnets[1], x)


def _attention(layer: Attention, x: Tensor) -> Tensor:
    """Attend over the positions of each frame; the normalization before it is over all frames."""
    frames = _fold(_norm(layer.group_norm, x))
    tokens = frames.flatten(2).transpose(1, 2)[:, None]
    out = F.scaled_dot_product_attention(layer.to_q(tokens), layer.to_k(tokens), layer.to_v(tokens))
    out = layer.to_out[0](out)[:, 0].transpose(1, 2).reshape(frames.shape)
    return _unfold(out, len(x))


def _conv(layer: FrameConv2d | CausalConv3d, x: Tensor, stride: int = 1) -> Tensor:
    """Convolve, keeping height and width, or with stride 2 on frames that are already padded."""
    pad = layer.kernel_size[-1] // 2 if stride == 1 else 0
    if isinstance(layer, FrameConv2d):
        return _unfold(half.convolve(F.conv2d, _fold(x), layer.weight, layer.bias, stride, pad), len(x))
    if layer.kernel_size[0] == 1:
        # Not conv3d: oneDNN 3.12 gives NaN for its bfloat16 gradient with a 1 x 3 x 3 kernel on CPUs with AMX.
        return _unfold(half.convolve(F.conv2d, _fold(x), layer.weight[:, :, 0], layer.bias, stride, pad), len(x))
    if layer.front and x.shape[2] == 1:
        # All taps in time see the same single frame, so one convolution with their sum does it in a third of the work.
        return half.convolve(F.conv2d, x[:, :, 0], layer.weight.sum(2), layer.bias, stride, pad)[:, :, None]
    if layer.front:
        x = torch.cat((x[:, :, :1].expand(-1, -1, layer.front, -1, -1), x), 2)
    return half.convolve(F.conv3d, x, layer.weight, layer.bias, stride, (0, pad, pad))


def _norm(norm: nn.GroupNorm, x: Tensor, per_frame: bool = False) -> Tensor:
    return _unfold(norm(_fold(x)), len(x)) if per_frame else norm(x)


def _fold(x: Tensor) -> Tensor:
    """[B, C, T, H, W] -> [B * T, C, H, W]."""
    return x.transpose(1, 2).flatten(0, 1)


def _unfold(x: Tensor, batch: int) -> Tensor:
    """Inverse of :func:`_fold`."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2)
