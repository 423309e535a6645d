"""Instance norm for the motion networks."""

from __future__ import annotations

from torch import nn


class InstanceNorm(nn.GroupNorm):
    """Normalizes [N, channels, H, W] as a group norm with one group per channel: several times faster on a CPU."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, affine=False)
