"""AMT-S frame interpolation (Li et al., CVPR 2023, arXiv 2304.09790): the frame halfway between two frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.networks.correlation import bytes_kept, correlation, position_grid
from nova_bench.networks.norm import InstanceNorm, normalized

MULTIPLE = 16  # the input's sides are multiples of this
SMALLEST_SIDE = 128  # below this the coarsest correlation level has one row: the result is NaN
_TIME = 0.5
_CHANNELS = (20, 32, 44, 56)  # in the pyramid at 1/2, 1/4, 1/8 and 1/16
_SIDE = 20  # channels that a residual block refines separately
_FLOWS = 3  # pairs of flow fields that the last decoder predicts
_RADIUS = 3
_STRIDE = 8  # distance between correlated positions
_LOOKUPS = 3  # number for each direction's correlation


def bytes_per_pair(device: str, height: int, width: int) -> float:
    """Memory for one pair of frames of that size: correlation in both directions and activations at full resolution."""
    coarse = height // _STRIDE, width // _STRIDE
    return 2 * bytes_kept(device, *coarse, _LOOKUPS) + 4 * height * width * 165


def _resize(x: Tensor, factor: float) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def _warp(images: Tensor, flow: Tensor) -> Tensor:
    """Sample ``images`` [N, C, H, W] at each position plus ``flow`` [N, 2, H, W] (x, y in pixels)."""
    height, width = flow.shape[-2:]
    x = torch.linspace(-1.0, 1.0, width, device=flow.device).view(1, 1, width)
    y = torch.linspace(-1.0, 1.0, height, device=flow.device).view(1, height, 1)
    grid = torch.stack([x + flow[:, 0] / ((width - 1.0) / 2.0), y + flow[:, 1] / ((height - 1.0) / 2.0)], dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _conv_prelu(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.PReLU(outputs))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions with instance norm and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        inner = outputs // 4
        self.conv1 = nn.Conv2d(inputs, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, stride=stride)
        self.conv3 = nn.Conv2d(inner, outputs, 1)
        self.norm, self.norm3 = InstanceNorm(inner), InstanceNorm(outputs)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride), InstanceNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = normalized(self.norm, self.conv1(x))
        y = normalized(self.norm, self.conv2(y))
        y = normalized(self.norm3, self.conv3(y))
        return y.add_(x if self.downsample is None else self.downsample(x)).relu_()


class FeatureEncoder(nn.Module):
    """Features for the correlation: [N, 3, H, W] -> [N, 84, H / 8, W / 8]."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(3, 32, 7, stride=2, padding=3), InstanceNorm(32)
        self.layer1 = nn.Sequential(Bottleneck(32, 32, 1), Bottleneck(32, 32, 1))
        self.layer2 = nn.Sequential(Bottleneck(32, 64, 2), Bottleneck(64, 64, 1))
        self.layer3 = nn.Sequential(Bottleneck(64, 96, 2), Bottleneck(96, 96, 1))
        self.conv2 = nn.Conv2d(96, 84, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = normalized(self.norm1, self.conv1(x.contiguous(memory_format=torch.channels_last)))
        return self.conv2(self.layer3(self.layer2(self.layer1(x))))


class PyramidEncoder(nn.Module):
    """Features that are warped: [N, 3, H, W] -> four maps, at 1/2, 1/4, 1/8 and 1/16."""

    def __init__(self):
        super().__init__()
        inputs = 3
        for level, outputs in enumerate(_CHANNELS, 1):
            self.add_module(
                f"pyramid{level}", nn.Sequential(_conv_prelu(inputs, outputs, 2), _conv_prelu(outputs, outputs))
            )
            inputs = outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        maps = []
        for level in self.children():
            x = level(x)
            maps.append(x)
        return maps


class ResidualBlock(nn.Module):
    """Five convolutions; the second and fourth get only the last ``_SIDE`` channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = _conv_prelu(channels, channels)
        self.conv2 = _conv_prelu(_SIDE, _SIDE)
        self.conv3 = _conv_prelu(channels, channels)
        self.conv4 = _conv_prelu(_SIDE, _SIDE)
        self.conv5 = nn.Conv2d(channels, channels, 3, padding=1)
        self.prelu = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for whole, side in ((self.conv1, self.conv2), (self.conv3, self.conv4)):
            y = whole(y)
            y[:, -_SIDE:] = side(y[:, -_SIDE:])
        return self.prelu(self.conv5(y).add_(x))


class Decoder(nn.Module):
    """Doubles the resolution: maps of one level -> ``outputs`` channels of the next."""

    def __init__(self, inputs: int, channels: int, outputs: int):
        super().__init__()
        self.convblock = nn.Sequential(
            _conv_prelu(inputs, channels), ResidualBlock(channels), nn.ConvTranspose2d(channels, outputs, 4, 2, 1)
        )

    def forward(self, *maps: Tensor) -> Tensor:
        # Joined in mixed layouts, they would be rearranged at once, which takes four times as long.
        return self.convblock(torch.cat([level.contiguous(memory_format=torch.channels_last) for level in maps], dim=1))


class UpdateBlock(nn.Module):
    """Corrects one level's features and both flows from correlations at 1/8 looked up at the flows.

    ``factor`` is the level's resolution relative to 1/8.
    """

    def __init__(self, channels: int, factor: int):
        super().__init__()
        self.factor = factor
        hidden = 76
        self.convc1 = nn.Conv2d(2 * 4 * (2 * _RADIUS + 1) ** 2, 64, 1)
        self.convf1 = nn.Conv2d(4, 40, 7, padding=3)
        self.convf2 = nn.Conv2d(40, 20, 3, padding=1)
        self.conv = nn.Conv2d(84, 68, 3, padding=1)
        self.gru = self._head(68 + 4 + channels, hidden, hidden)
        self.feat_head = self._head(hidden, hidden, channels)
        self.flow_head = self._head(hidden, hidden, 4)

    @staticmethod
    def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, hidden, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(hidden, outputs, 3, padding=1)
        )

    def forward(self, features: Tensor, flows: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        if self.factor != 1:
            features = _resize(features, 1 / self.factor)
        correlation = F.leaky_relu(self.convc1(samples), 0.1)
        motion = F.leaky_relu(self.convf2(F.leaky_relu(self.convf1(flows), 0.1)), 0.1)
        joined = F.leaky_relu(self.conv(torch.cat([correlation, motion], dim=1)), 0.1)
        hidden = self.gru(torch.cat([joined, flows, features], dim=1))
        feature_change, flow_change = self.feat_head(hidden), self.flow_head(hidden)
        if self.factor == 1:
            return feature_change, flow_change
        return _resize(feature_change, self.factor), self.factor * _resize(flow_change, self.factor)


class Correlation:
    """Correlation between the frames in both directions, looked up at the positions that the flows point to."""

    def __init__(self, first: Tensor, second: Tensor):
        batch, _, height, width = first.shape
        self._forward = correlation(first, second, _LOOKUPS)
        self._backward = correlation(second, first, _LOOKUPS)  # cheaper than transposing the other
        self._start = position_grid(batch, height, width, first.device)

    def samples(self, flows: Tensor, factor: int) -> tuple[Tensor, Tensor]:
        """Flows from the middle frame (to the first, to the second: 4 channels) -> (flows at 1/8, samples there).

        Motion is assumed linear: the flow from one frame to the other is the flow from the middle divided by the share
        of time. Each direction is looked up at the other's flow.
        """
        if factor != 1:
            flows = 1 / factor * _resize(flows, 1 / factor)
        to_first, to_second = flows.chunk(2, dim=1)
        ahead = self._forward.samples(self._start + to_second * (1.0 / _TIME), _RADIUS)
        back = self._backward.samples(self._start + to_first * (1.0 / (1.0 - _TIME)), _RADIUS)
        return flows, torch.cat([ahead, back], dim=1)


class AMT(nn.Module):
    """AMT-S. Frames are float32 [N, 3, H, W] in 0-1, sides multiples of 16."""

    def __init__(self):
        super().__init__()
        finest, fine, coarse, coarsest = _CHANNELS
        self.feat_encoder = FeatureEncoder()
        self.encoder = PyramidEncoder()
        self.decoder4 = Decoder(2 * coarsest + 1, 2 * coarsest, coarse + 4)
        self.decoder3 = Decoder(3 * coarse + 4, 3 * coarse, fine + 4)
        self.decoder2 = Decoder(3 * fine + 4, 3 * fine, finest + 4)
        self.decoder1 = Decoder(3 * finest + 4, 3 * finest, 8 * _FLOWS)
        self.update4 = UpdateBlock(coarse, 1)
        self.update3 = UpdateBlock(fine, 2)
        self.update2 = UpdateBlock(finest, 4)
        self.comb_block = nn.Sequential(
            nn.Conv2d(3 * _FLOWS, 6 * _FLOWS, 3, padding=1),
            nn.PReLU(6 * _FLOWS),
            nn.Conv2d(6 * _FLOWS, 3, 3, padding=1),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The frame halfway between ``first`` and ``second``: [N, 3, H, W], clamped to 0-1."""
        # The official mean is over both frames, stacked in height, one axis after the other.
        mean = torch.cat([first, second], dim=2).mean(1, keepdim=True).mean(2, keepdim=True).mean(3, keepdim=True)
        first, second = first - mean, second - mean
        correlation = Correlation(*self.feat_encoder(torch.cat([first, second])).chunk(2))
        maps = [level.chunk(2) for level in self.encoder(torch.cat([first, second]))]

        coarsest = maps.pop()
        time = torch.full_like(coarsest[0][:, :1], _TIME)
        flows, features = self.decoder4(*coarsest, time).tensor_split([4], dim=1)
        for decoder, update in ((self.decoder3, self.update4), (self.decoder2, self.update3), (None, self.update2)):
            feature_change, flow_change = update(features, *correlation.samples(flows, update.factor))
            features, flows = features + feature_change, flows + flow_change
            if decoder is not None:
                out, doubled = self._decode(decoder, features, maps.pop(), flows)
                flows, features = out[:, :4] + doubled, out[:, 4:]

        out, doubled = self._decode(self.decoder1, features, maps.pop(), flows)
        changes, mask, residual = out.split([4 * _FLOWS, _FLOWS, 3 * _FLOWS], dim=1)
        to_first, to_second = (
            change + before.repeat(1, _FLOWS, 1, 1)
            for change, before in zip(changes.chunk(2, dim=1), doubled.chunk(2, dim=1), strict=True)
        )
        share = _each(mask.sigmoid(), 1)
        blends = share * _warp_each(first, to_first) + (1 - share) * _warp_each(second, to_second)
        blends = blends + mean.repeat_interleave(_FLOWS, dim=0) + _each(residual, 3)
        blends = blends.view(-1, 3 * _FLOWS, *first.shape[-2:])
        average = blends.unflatten(1, (_FLOWS, 3)).mean(1)
        change = self.comb_block(blends.contiguous(memory_format=torch.channels_last))
        return (average + change).clamp(0, 1)

    @staticmethod
    def _decode(
        decoder: Decoder, features: Tensor, maps: tuple[Tensor, Tensor], flows: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A decoder's output, and the flows at twice the resolution, which it corrects."""
        warped = [_warp(level, flow) for level, flow in zip(maps, flows.chunk(2, dim=1), strict=True)]
        return decoder(features, *warped, flows), 2.0 * _resize(flows, 2.0)


def _each(x: Tensor, channels: int) -> Tensor:
    """One item for each pair of flow fields: [N, k * channels, H, W] -> [N * k, channels, H, W]."""
    return x.reshape(-1, channels, *x.shape[-2:])


def _warp_each(frames: Tensor, flows: Tensor) -> Tensor:
    """``frames`` warped by each of their flow fields: [N, 3, H, W], [N, 2 * k, H, W] -> [N * k, 3, H, W]."""
    return _warp(frames.repeat_interleave(_FLOWS, dim=0), _each(flows, 2))
