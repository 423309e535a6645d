"""Layers of the causal 3D autoencoder. They take one video [1, C, T, H, W], channels last, and may overwrite it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from nova_bench.kernels.layers import VideoConvolution, fastest_video_convolution
from nova_bench.kernels.simd.video import WinogradVideoConvolution, winograd_video
from nova_bench.nova.vae.frames import Scratch, affine, conv3d, convolve, convolve_nearest, normalize, repeat_first


class CausalConv3d(nn.Conv3d):
    """3D convolution that sees no future frame: ``front`` copies of the first frame belong before its input.

    Height and width stay; [1, C, front + T, H, W] -> [1, C', T, H, W]. As ``conv`` of a downsampler it only holds the
    parameters.
    """

    bias: torch.Tensor

    def __init__(self, width_in: int, width_out: int, kernel: int | tuple[int, int, int] = 3):
        super().__init__(width_in, width_out, kernel)
        self.front = self.kernel_size[0] - 1
        self.faster: VideoConvolution | None = None

    def speed_up(self) -> None:
        """Compute with this CPU's fastest products from now on; see :mod:`nova_bench.kernels.layers`."""
        self.faster = fastest_video_convolution(self)

    def forward(  # type: ignore[override]  # no convolution to others, it only holds the weights like one
        self, x: torch.Tensor, scratch: Scratch, area: str, add_to: torch.Tensor | None = None
    ) -> torch.Tensor:
        if self.faster is None:
            return convolve(x, self.weight, self.bias, scratch, area, add_to)
        size = (x.shape[2] - self.front, *x.shape[3:])
        out = scratch.take(area, x, self.out_channels, size) if add_to is None else add_to
        self.faster(x, out, add=add_to is not None)
        return out

    def after_norm(
        self, x: torch.Tensor, norm: nn.GroupNorm, scratch: Scratch, area: str, add_to: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Convolution of SiLU(norm(x)), for x [1, C, T, H, W] that isn't padded, in an area that doesn't hold x."""
        if not isinstance(self.faster, WinogradVideoConvolution):
            return self(normalize(x, norm, scratch, self.front), scratch, area, add_to)
        size = (x.shape[2], *x.shape[3:])
        out = scratch.take(area, x, self.out_channels, size) if add_to is None else add_to
        scale, shift = (values.flatten() for values in affine(x, norm))
        self.faster.after_norm(x, scale, shift, out, add=add_to is not None)
        return out


class FrameConv2d(nn.Conv2d):
    """2D convolution of each frame; the same interface as ``CausalConv3d`` with ``front`` 0."""

    front = 0

    def forward(  # type: ignore[override]  # no convolution to others, it only holds the weights like one
        self, x: torch.Tensor, scratch: Scratch, area: str, add_to: torch.Tensor | None = None
    ) -> torch.Tensor:
        return convolve(x, self.weight.unsqueeze(2), self.bias, scratch, area, add_to)

    def after_norm(
        self, x: torch.Tensor, norm: nn.GroupNorm, scratch: Scratch, area: str, add_to: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As of ``CausalConv3d``, with statistics of each frame alone."""
        return self(normalize(x, norm, scratch, per_frame=True), scratch, area, add_to)


def make_conv(ndim: int, width_in: int, width_out: int, kernel: int = 3) -> CausalConv3d | FrameConv2d:
    """A causal 3D convolution or one within frames."""
    return {2: FrameConv2d, 3: CausalConv3d}[ndim](width_in, width_out, kernel)


def make_norm(groups: int, width: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, width, eps=1e-6)


def pad_front(x: torch.Tensor, front: int) -> torch.Tensor:
    """Repeat the first frame ``front`` times (a copy; for small videos)."""
    return torch.cat([x[:, :, :1].expand(-1, -1, front, -1, -1), x], dim=2) if front else x


class ResBlock(nn.Module):
    """Residual block: shortcut(x) + conv2(SiLU(norm2(conv1(SiLU(norm1(x))))))."""

    def __init__(self, ndim: int, width_in: int, width_out: int, groups: int):
        super().__init__()
        self.per_frame = ndim == 2
        self.norm1 = make_norm(groups, width_in)
        self.conv1 = make_conv(ndim, width_in, width_out)
        self.norm2 = make_norm(groups, width_out)
        self.conv2 = make_conv(ndim, width_out, width_out)
        self.conv_shortcut = make_conv(ndim, width_in, width_out, kernel=1) if width_in != width_out else None

    def forward(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        hidden = self.conv1.after_norm(x, self.norm1, scratch, "hidden")
        if self.conv_shortcut is None:
            return self.conv2.after_norm(hidden, self.norm2, scratch, "stream", add_to=x)
        active = normalize(hidden, self.norm2, scratch, self.conv2.front, self.per_frame)
        shortcut = self.conv_shortcut(x, scratch, "hidden")
        scratch.swap()
        return self.conv2(active, scratch, "stream", add_to=shortcut)


class Attention(nn.Module):
    """Single-head self-attention over the positions of each frame; the caller adds the residual.

    The normalization before it still takes its statistics over all frames.
    """

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.group_norm = make_norm(groups, width)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        _, _, frames, height, _ = x.shape
        normal = normalize(x, self.group_norm, scratch, silu=False)
        tokens = normal[0].permute(1, 2, 3, 0).flatten(1, 2).unsqueeze(1)  # [T, 1 head, H * W, C]
        out = F.scaled_dot_product_attention(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens))
        out = self.to_out[0](out).view(1, frames, height, -1, x.shape[1])
        return out.permute(0, 4, 1, 2, 3)


class MidBlock(nn.Module):
    """ResBlock, attention, ResBlock at the lowest resolution."""

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.resnets = nn.ModuleList([ResBlock(3, width, width, groups) for _ in range(2)])
        self.attentions = nn.ModuleList([Attention(width, groups)])

    def forward(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        x = self.resnets[0](x, scratch)
        x += self.attentions[0](x, scratch)
        return self.resnets[1](x, scratch)


class Downsample(nn.Module):
    """Halve height and width (2D) or also time (3D); one zero row and column are added at the bottom and right."""

    def __init__(self, ndim: int, width: int):
        super().__init__()
        self.conv = make_conv(ndim, width, width)

    def forward(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        _, width, frames, height, columns = x.shape
        front = self.conv.front
        padded = scratch.take("padded", x, width, (front + frames, height + 1, columns + 1))
        padded[..., -1, :] = 0
        padded[..., -1] = 0
        padded[:, :, front:, :-1, :-1] = x
        repeat_first(padded, front)
        weight = self.conv.weight
        stride = (2, 2, 2)
        if weight.ndim == 4:
            weight, stride = weight.unsqueeze(2), (1, 2, 2)
        out = conv3d(padded, weight, self.conv.bias, pad=0, stride=stride)
        return out.contiguous(memory_format=torch.channels_last_3d)


class UpsampleVideo(nn.Module):
    """Double height, width and time, except that the first frame stays one frame: T -> 2T - 1."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = CausalConv3d(width, width)

    def forward(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        _, width, frames, height, columns = x.shape
        front = self.conv.front
        padded = scratch.take("padded", x, width, (front + 2 * frames - 1, 2 * height, 2 * columns))
        padded[:, :, front : front + 1] = F.interpolate(x[:, :, :1], scale_factor=(1, 2, 2), mode="trilinear")
        if frames > 1:
            padded[:, :, front + 1 :] = F.interpolate(x[:, :, 1:], scale_factor=2, mode="trilinear")
        repeat_first(padded, front)
        return self.conv(padded, scratch, "stream")


class UpsampleSpace(nn.Module):
    """Double height and width only: nearest neighbour, then a convolution within each frame."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = CausalConv3d(width, width, (1, 3, 3))
        self.faster: WinogradVideoConvolution | None = None

    def speed_up(self) -> None:
        """Compute with this CPU's fastest products from now on; see :mod:`nova_bench.kernels.layers`."""
        self.faster = winograd_video(self.conv)

    def forward(self, x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        if self.faster is not None:
            height, width = x.shape[3:]
            out = scratch.take("hidden", x, self.conv.out_channels, (x.shape[2], 2 * height, 2 * width))
            self.faster.of_doubled(x, out)
        else:
            out = convolve_nearest(x, self.conv.weight, self.conv.bias, scratch, "hidden")
        scratch.swap()
        return out
