"""The distance of LPIPS and ST-LPIPS: a weighted distance between AlexNet features.

LPIPS: Zhang et al., CVPR 2018 (arXiv 1801.03924), version 0.1 with AlexNet. ST-LPIPS: Ghildyal and Liu, ECCV 2022
(arXiv 2207.13686), with an AlexNet that blurs before it subsamples, so that a shift by a pixel or two changes little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (64, 192, 384, 256, 256)
"""Features of the five layers that are compared, each after its ReLU."""
# Both networks normalize frames in [-1, 1] with these: ImageNet's usual values, in that range.
_MEAN = (-0.030, -0.088, -0.188)
_DEVIATION = (0.458, 0.448, 0.450)
_NORM_FLOOR = 1e-10


class AlexNetFeatures(nn.Module):
    """The convolutions of torchvision's AlexNet, under their names in its weight file."""

    smallest_side = 31
    """Pixels: a smaller frame has nothing left after the second pooling."""
    floats_per_pixel = 11
    """Values per pixel in all layers of one frame, for memory estimates."""

    def __init__(self):
        super().__init__()
        self.features = nn.ModuleDict(
            {
                "0": nn.Conv2d(3, 64, 11, stride=4, padding=2),
                "3": nn.Conv2d(64, 192, 5, padding=2),
                "6": nn.Conv2d(192, 384, 3, padding=1),
                "8": nn.Conv2d(384, 256, 3, padding=1),
                "10": nn.Conv2d(256, 256, 3, padding=1),
            }
        )

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The file's tensors without its classifier."""
        return {key: value for key, value in state.items() if not key.startswith("classifier.")}

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] -> five maps [N, C, h, w]."""
        first, second, *rest = self.features.values()
        maps = [F.relu_(first(x))]
        maps.append(F.relu_(second(_max_pool(maps[-1], stride=2))))
        x = _max_pool(maps[-1], stride=2)
        for convolution in rest:
            x = F.relu_(convolution(x))
            maps.append(x)
        return maps


class Blur(nn.Module):
    """Binomial 3x3 filter per channel at every second pixel, the border mirrored by two: [N, C, H, W] -> halves."""

    filt: Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("filt", torch.empty(channels, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), self.filt, stride=2, groups=x.shape[1])


class ShiftTolerantFeatures(nn.Module):
    """ST-LPIPS's AlexNet: a blur before each subsampling; numbers are the layers' official positions."""

    smallest_side = 21
    """Pixels: a smaller frame is too narrow for the border to be mirrored."""
    floats_per_pixel = 200

    def __init__(self):
        super().__init__()
        self.features = nn.ModuleDict(
            {
                "0": nn.Conv2d(3, 64, 11, padding=2),
                "1": Blur(64),
                "4": Blur(64),
                "5": nn.Conv2d(64, 192, 5, padding=2),
                "8": Blur(192),
                "9": nn.Conv2d(192, 384, 3, padding=1),
                "11": nn.Conv2d(384, 256, 3, padding=1),
                "13": nn.Conv2d(256, 256, 3, padding=1),
            }
        )

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``net.slice2.5.weight`` -> ``features.5.weight``; the heads and two constants of the file are left out."""
        return {
            re.sub(r"^net\.slice\d\.", "features.", key): value
            for key, value in state.items()
            if not key.startswith(("lin", "scaling_layer."))
        }

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] -> five maps [N, C, h, w]."""
        layer = self.features
        maps = [F.relu_(layer["1"](layer["0"](x)))]
        maps.append(F.relu_(layer["5"](layer["4"](_max_pool(maps[-1], stride=1)))))
        maps.append(F.relu_(layer["9"](layer["8"](_max_pool(maps[-1], stride=1)))))
        maps.append(F.relu_(layer["11"](maps[-1])))
        maps.append(F.relu_(layer["13"](maps[-1])))
        return maps


def _max_pool(x: Tensor, stride: int) -> Tensor:
    """Maximum of 3x3: the same values as on contiguous maps, which take a CPU five times as long."""
    return F.max_pool2d(x.contiguous(memory_format=torch.channels_last), 3, stride).contiguous()


class LinearHeads(nn.Module):
    """The weight of each feature: one per channel and layer, never negative in the published files."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList(torch.empty(1, channels, 1, 1) for channels in CHANNELS)

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``lin0.model.1.weight`` -> ``weights.0``; a trunk in the same file is left out."""
        return {
            re.sub(r"^lin(\d)\.model\.1\.weight$", r"weights.\1", key): value
            for key, value in state.items()
            if not key.startswith(("net.", "scaling_layer."))
        }


class PerceptualDistance(nn.Module):
    """Sum over layers of the mean over positions of the weighted squared difference of unit-length features."""

    def __init__(self, trunk: AlexNetFeatures | ShiftTolerantFeatures, heads: LinearHeads):
        super().__init__()
        self.trunk, self.heads = trunk, heads

    def bytes_per_pair(self, height: int, width: int) -> float:
        """Approximate memory for one pair of frames."""
        return 4 * 2 * height * width * (3 * self.trunk.floats_per_pixel + 6)

    def forward(self, frames: Tensor, references: Tensor) -> Tensor:
        """Two [N, 3, H, W] in 0-255 -> distances [N], 0 for equal frames."""
        mean, deviation = (frames.new_tensor(values).view(3, 1, 1) for values in (_MEAN, _DEVIATION))
        both = (torch.cat([frames, references]) / 127.5 - 1 - mean) / deviation
        total = frames.new_zeros(len(frames))
        for features, weight in zip(self.trunk(both), self.heads.weights, strict=True):
            length = features.square().sum(1, keepdim=True).sqrt_() + _NORM_FLOOR
            one, other = (features / length).chunk(2)
            total += F.conv2d((one - other).square_(), weight).mean((1, 2, 3))
        return total
