"""LAION's aesthetic predictor for CLIP ViT-L/14: one linear layer (github.com/LAION-AI/aesthetic-predictor)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.networks.clip import VIT_L_14


class AestheticPredictor(nn.Linear):
    """CLIP image features [N, 768] of any type -> score [N], about 0 to 10."""

    def __init__(self):
        super().__init__(VIT_L_14.features, 1)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(F.normalize(features.float(), dim=-1))[:, 0]
