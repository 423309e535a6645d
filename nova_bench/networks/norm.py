"""Instance norm of the networks of motion."""

from __future__ import annotations

from torch import nn


class InstanceNorm(nn.GroupNorm):
    """Of [N, channels, H, W], as group norm with a group for each channel: several times faster on a CPU."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, affine=False)
