"""The video autoencoder of NOVA's text-to-video models (Open-Sora Plan v1.2 layout: causal 3D, stride 4 x 8 x 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from nova_bench.nova.errors import ArrangementError
from nova_bench.nova.vae.autoencoder import Autoencoder
from nova_bench.nova.vae.frames import Scratch, convolve_to_few, normalize
from nova_bench.nova.vae.layers import (
    CausalConv3d,
    Downsample,
    MidBlock,
    ResBlock,
    UpsampleSpace,
    UpsampleVideo,
    make_conv,
    make_norm,
    pad_front,
)

# Long videos are processed in time tiles of fixed size that share one frame with their neighbour.
FRAMES_PER_TILE = 17
LATENTS_PER_TILE = 5

DEFAULTS: dict[str, Any] = {
    "_class_name": "AutoencoderKLOpenSora",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock3D", "DownEncoderBlock3D"],
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "scaling_factor": 0.18215,
    "shift_factor": None,
    "up_block_types": ["UpDecoderBlock3D"] * 4,
    "use_post_quant_conv": True,
    "use_quant_conv": True,
}


class EncoderBlock(nn.Module):
    """ResBlocks, then half the size, unless it's the last block."""

    def __init__(self, ndim: int, width_in: int, width_out: int, layers: int, groups: int, down_ndim: int | None):
        super().__init__()
        widths = [width_in] + [width_out] * layers
        self.resnets = nn.ModuleList([ResBlock(ndim, a, b, groups) for a, b in pairwise(widths)])
        self.downsamplers = nn.ModuleList([Downsample(down_ndim, width_out)] if down_ndim else [])

    def forward(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        for layer in (*self.resnets, *self.downsamplers):
            x = layer(x, scratch)
        return x


class Encoder(nn.Module):
    """Pixels [1, 3, F, H, W] -> [1, 2C, T, h, w]; the leading 2D blocks work on single frames."""

    def __init__(self, config: Mapping[str, Any], ndims: Sequence[int]):
        super().__init__()
        widths, groups = config["block_out_channels"], config["norm_num_groups"]
        self.conv_in = make_conv(ndims[0], config["in_channels"], widths[0])
        self.down_blocks = nn.ModuleList(
            EncoderBlock(ndim, width_in, width, config["layers_per_block"], groups, down_ndim)
            for ndim, width_in, width, down_ndim in zip(
                ndims, [widths[0], *widths], widths, [*ndims[1:], None], strict=False
            )
        )
        self.mid_block = MidBlock(widths[-1], groups)
        self.conv_norm_out = make_norm(groups, widths[-1])
        self.conv_out = CausalConv3d(widths[-1], 2 * config["latent_channels"])

    def forward(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        x = self.conv_in(pad_front(x, self.conv_in.front), scratch, "stream")
        for block in self.down_blocks:
            x = block(x, scratch)
        x = self.mid_block(x, scratch)
        return self.conv_out(normalize(x, self.conv_norm_out, scratch, self.conv_out.front), scratch, "hidden")


class DecoderBlock(nn.Module):
    """ResBlocks, then twice the size, unless it's the last block."""

    def __init__(self, width_in: int, width_out: int, layers: int, groups: int, upsample: type[nn.Module] | None):
        super().__init__()
        widths = [width_in] + [width_out] * layers
        self.resnets = nn.ModuleList([ResBlock(3, a, b, groups) for a, b in pairwise(widths)])
        self.upsamplers = nn.ModuleList([upsample(width_out)] if upsample else [])

    def forward(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        for layer in (*self.resnets, *self.upsamplers):
            x = layer(x, scratch)
        return x


class Decoder(nn.Module):
    """Latents [1, C, T, h, w] -> pixels [1, 3, F, H, W]."""

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        widths, groups = list(reversed(config["block_out_channels"])), config["norm_num_groups"]
        steps = len(widths) - 1
        upsamplers = [*[UpsampleVideo] * (steps - 1), *[UpsampleSpace] * min(steps, 1), None]
        self.conv_in = CausalConv3d(config["latent_channels"], widths[0])
        self.mid_block = MidBlock(widths[0], groups)
        self.up_blocks = nn.ModuleList(
            DecoderBlock(width_in, width, config["layers_per_block"] + 1, groups, upsample)
            for width_in, width, upsample in zip([widths[0], *widths], widths, upsamplers, strict=False)
        )
        self.conv_norm_out = make_norm(groups, widths[-1])
        self.conv_out = CausalConv3d(widths[-1], config["out_channels"])

    def forward(self, z: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        x = self.conv_in(pad_front(z, self.conv_in.front), scratch, "stream")
        x = self.mid_block(x, scratch)
        for block in self.up_blocks:
            x = block(x, scratch)
        if self.conv_out.faster is not None:
            return self.conv_out.after_norm(x, self.conv_norm_out, scratch, "hidden")
        active = normalize(x, self.conv_norm_out, scratch)
        return convolve_to_few(active, self.conv_out.weight, self.conv_out.bias)


class AutoencoderKLOpenSora(Autoencoder):
    """Causal video autoencoder; F = 1 + 4j frames become T = 1 + j latents.

    Args:
        config: settings as in ``vae/config.json``; absent keys take the published value.

    Raises:
        ArrangementError: the settings describe no network of this kind.
    """

    def __init__(self, config: Mapping[str, Any]):
        config = {**DEFAULTS, **config}
        ndims = _check(config)
        blocks = len(config["block_out_channels"])
        super().__init__(
            config,
            latent_channels=config["latent_channels"],
            spatial_stride=2 ** (blocks - 1),
            temporal_stride=2 ** max(blocks - 2, 0),
        )
        self._kept: list[Scratch] = []
        self.encoder = Encoder(config, ndims)
        self.decoder = Decoder(config)
        channels = config["latent_channels"]
        self.quant_conv = CausalConv3d(2 * channels, 2 * channels, 1) if config["use_quant_conv"] else None
        self.post_quant_conv = CausalConv3d(channels, channels, 1) if config["use_post_quant_conv"] else None

    def num_frames(self, latent_length: int) -> int:
        if latent_length > LATENTS_PER_TILE:
            latent_length -= (latent_length - LATENTS_PER_TILE) % (LATENTS_PER_TILE - 1)
        return 1 + self.temporal_stride * (latent_length - 1)

    def _encode(self, x: torch.Tensor) -> torch.Tensor:
        return self._by_sample_and_time(x, FRAMES_PER_TILE, self._encode_tile)

    def _decode(self, z: torch.Tensor) -> torch.Tensor:
        return self._by_sample_and_time(z, LATENTS_PER_TILE, self._decode_tile)

    def _encode_tile(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        moments = self.encoder(x, scratch)
        return self.quant_conv(moments, scratch, "padded") if self.quant_conv is not None else moments

    def _decode_tile(self, z: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        if self.post_quant_conv is not None:
            z = self.post_quant_conv(z, scratch, "padded")
        return self.decoder(z, scratch)

    def _by_sample_and_time(
        self, x: torch.Tensor, size: int, function: Callable[[torch.Tensor, Scratch], torch.Tensor]
    ) -> torch.Tensor:
        """Apply ``function`` to each sample in complete time tiles of ``size`` that overlap by one frame.

        Each tile after the first drops its first result, which the previous tile already gave. Frames after the last
        complete tile are dropped, as in the official code. An image [B, C, H, W] is a video of one frame.
        """
        if x.ndim == 4:
            return self._by_sample_and_time(x.unsqueeze(2), size, function).squeeze(2)
        try:
            scratch = self._kept.pop()
        except IndexError:  # the first call, or one beside another
            scratch = Scratch()
        samples = []
        starts = range(0, max(x.shape[2] - size, 0) + 1, size - 1)
        for sample in x.split(1):
            tiles = []
            for start in starts:
                tile = sample[:, :, start : start + size].contiguous(memory_format=torch.channels_last_3d)
                # Results may be in scratch memory, which the next tile overwrites.
                result = function(tile, scratch).contiguous()
                tiles.append(result[:, :, 1:] if start else result)
            samples.append(torch.cat(tiles, dim=2))
        if scratch.worth_keeping:
            self._kept = [scratch]
        return torch.cat(samples)


def _check(config: Mapping[str, Any]) -> list[int]:
    """Refuse settings that this class doesn't define; returns 2 or 3 for each encoder block."""
    widths, down, up = config["block_out_channels"], config["down_block_types"], config["up_block_types"]
    if not len(widths) == len(down) == len(up) or not widths:
        raise ArrangementError(
            f"block_out_channels, down_block_types and up_block_types must have one entry per block, "
            f"got {len(widths)}, {len(down)} and {len(up)}"
        )
    kinds = {"DownEncoderBlock2D": 2, "DownEncoderBlock3D": 3}
    wrong = [name for name in down if name not in kinds] + [name for name in up if name != "UpDecoderBlock3D"]
    if wrong:
        raise ArrangementError(f"AutoencoderKLOpenSora has no block type {wrong[0]!r}")
    ndims = [kinds[name] for name in down]
    if ndims != sorted(ndims):
        raise ArrangementError(f"down_block_types: a 2D block can't follow a 3D one, got {list(down)}")
    if config["act_fn"] != "silu":
        raise ArrangementError(f"act_fn must be 'silu', got {config['act_fn']!r}")
    groups = config["norm_num_groups"]
    uneven = [width for width in widths if width % groups]
    if uneven:
        raise ArrangementError(f"norm_num_groups {groups} doesn't divide block width {uneven[0]}")
    if config["layers_per_block"] == 0 and list(widths) != [widths[0]] * len(widths):
        raise ArrangementError("layers_per_block 0 leaves nothing that changes the width between blocks")
    return ndims
