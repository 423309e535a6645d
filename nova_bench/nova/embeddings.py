"""Learned conditions: text or label tokens, motion tokens, and the tokens that replace what is not generated yet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nova_bench.nova.positions import sin_cos

NULL_ROWS = 512  # rows of the null-text table in every published checkpoint


class TextEmbed(nn.Module):
    """Text features to condition tokens; ``weight`` holds the features of "no text" (a buffer, never trained)."""

    weight: Tensor

    def __init__(self, token_dim: int, dim: int, num_tokens: int):
        super().__init__()
        self.num_tokens = num_tokens
        self.register_buffer("weight", torch.zeros(max(NULL_ROWS, num_tokens), token_dim))
        self.proj = nn.Linear(token_dim, dim)
        self.norm = nn.LayerNorm(dim)

    def fill(self, features: list[Tensor]) -> Tensor:
        """Null rows with the first rows overwritten by each prompt's features [n_i, token_dim]: [B, L, token_dim].

        Features longer than L are cut. A prompt without features (n = 0) is the null condition.
        """
        null = self.weight[: self.num_tokens]
        # Concatenated, not assigned in place, so that gradients reach a text encoder in training.
        rows = [torch.cat((value[: self.num_tokens].to(null), null[len(value) :])) for value in features]
        return torch.stack(rows)

    def forward(self, features: Tensor) -> Tensor:
        """[B, L, token_dim] -> [B, L, dim]."""
        return self.norm(self.proj(features))


class LabelEmbed(nn.Module):
    """Class labels to one condition token each (models without text); index 1000 is the null class."""

    def __init__(self, dim: int, classes: int = 1000):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes + 1, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, labels: Tensor) -> Tensor:
        """Integer labels [B] -> [B, 1, dim]."""
        return self.norm(self.weight[labels])[:, None]


class MotionEmbed(nn.Module):
    """Two condition tokens for video: mean optical flow and frame rate (Section 3.3)."""

    def __init__(self, dim: int, default_fps: float = 12.0):
        super().__init__()
        self.default_fps = default_fps
        self.flow_proj = nn.Sequential(nn.Linear(256, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.fps_proj = nn.Sequential(nn.Linear(256, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, flow: Tensor, fps: Tensor | None = None) -> Tensor:
        """Flow [B] (pixels per frame) and optional frame rates [B] -> tokens [B, 2, dim], flow first."""
        fps = torch.full_like(flow, self.default_fps) if fps is None else fps
        dtype = self.flow_proj.get_parameter("0.weight").dtype
        return torch.stack((self.flow_proj(sin_cos(flow).to(dtype)), self.fps_proj(sin_cos(fps).to(dtype))), 1)


class MaskEmbed(nn.Module):
    """``bos_token`` begins a video (BOV); ``mask_token`` is an image token that is not predicted yet."""

    def __init__(self, dim: int):
        super().__init__()
        self.bos_token = nn.Parameter(torch.zeros(1, dim))
        self.mask_token = nn.Parameter(torch.zeros(1, dim))
