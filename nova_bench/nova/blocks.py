"""The transformer block of both encoders, and their common base class."""

from __future__ import annotations

from torch import Tensor, nn

from nova_bench.kernels.layers import is_fast
from nova_bench.kernels.simd.norm import layer_norm
from nova_bench.nova.attention import Attention, KeyValueCache
from nova_bench.nova.patches import PatchEmbed


class MLP(nn.Module):
    """Linear, exact GELU, Linear."""

    def __init__(self, dim: int, ratio: int = 4):
        super().__init__()
        self.fc1 = nn.Linear(dim, ratio * dim)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(ratio * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim] -> [..., dim]."""
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """Attention and MLP with residual sums; ``norm_placement`` says where their LayerNorms sit (App. B, Fig. 2).

    ``post_before_residual``: x + LN(f(x)), the published model. ``post_after_residual``: LN(x + f(x)).
    ``pre``: x + f(LN(x)). All three have the same parameters.
    """

    def __init__(self, dim: int, heads: int, norm_placement: str):
        super().__init__()
        self.norm_placement = norm_placement
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim)

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values side by side, [B, S, D] -> [B, S, 3D]; a token's don't depend on other tokens."""
        return self.attn.qkv(self.norm1(x) if self.norm_placement == "pre" else x)

    def forward(
        self,
        x: Tensor,
        rotary: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        queries: slice | None = None,
        projected: Tensor | None = None,
    ) -> Tensor:
        """[B, S, D] -> [B, S, D], or only the rows ``queries`` of it; see :class:`Attention` for the arguments."""
        residual = x if queries is None else x[:, queries]
        if self.norm_placement == "pre":
            normed = self.norm1(x) if projected is None else x
            x = residual + self.attn(normed, rotary, mask, cache, queries, projected)
            return x + self.mlp(self.norm2(x))
        x = self.attn(x, rotary, mask, cache, queries, projected)
        if self.norm_placement == "post_after_residual":
            x = self.norm1(residual + x)
            return self.norm2(x + self.mlp(x))
        if is_fast(self.mlp.fc2):
            x = layer_norm(self.norm1, x, residual)
            return layer_norm(self.norm2, self.mlp(x), x)
        x = residual + self.norm1(x)
        return x + self.norm2(self.mlp(x))


class Encoder(nn.Module):
    """Patch embedding, blocks and final LayerNorm: the common base of temporal and spatial encoder."""

    def __init__(self, depth: int, dim: int, heads: int, channels: int, patch_size: int, norm_placement: str):
        super().__init__()
        self.head_dim = dim // heads
        self.heads = heads
        self.patch_embed = PatchEmbed(channels, dim, patch_size)
        self.blocks = nn.ModuleList(Block(dim, heads, norm_placement) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
