"""The NOVA transformer: temporal encoder, spatial encoder and diffusion MLP under their published names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nova_bench.kernels.layers import speed_up
from nova_bench.nova.blocks import Block
from nova_bench.nova.building import refuse_giant
from nova_bench.nova.config import NOVAConfig
from nova_bench.nova.diffusion_mlp import DiffusionMLP
from nova_bench.nova.embeddings import LabelEmbed, MaskEmbed, MotionEmbed, TextEmbed
from nova_bench.nova.errors import InputError
from nova_bench.nova.positions import TimeEmbed, grid, rotary_angles, space_embedding
from nova_bench.nova.spatial import SpatialEncoder
from nova_bench.nova.temporal import TemporalEncoder


class NOVATransformer3DModel(nn.Module):
    """All parameters of NOVA; :mod:`generation` generates with them, :mod:`training` trains them."""

    def __init__(self, config: NOVAConfig):
        super().__init__()
        refuse_giant("arch " + ", ".join(config.arch), *config.scale)
        self.config = config
        c, dim, p = config, config.width, config.patch_size
        self.video_encoder = TemporalEncoder(
            c.temporal.depth,
            dim,
            c.temporal.heads,
            c.image_dim,
            patch_size=2 * p,
            norm_placement=c.norm_placement,
            mixer_rank=c.video_mixer_rank,
        )
        self.image_encoder = SpatialEncoder(
            c.spatial.depth, dim, c.spatial.heads, c.image_dim, patch_size=p, norm_placement=c.norm_placement
        )
        self.image_decoder = DiffusionMLP(c.decoder.depth, c.decoder.width, dim, c.image_dim, p)
        self.mask_embed = MaskEmbed(dim)
        self.text_embed: TextEmbed | None = None
        self.label_embed: LabelEmbed | None = None
        if c.text_token_dim and c.text_token_len:  # both or neither, see NOVAConfig
            self.text_embed = TextEmbed(c.text_token_dim, dim, c.text_token_len)
        else:
            self.label_embed = LabelEmbed(dim)
        self.video_pos_embed = None if c.rotary_pos_embed else TimeEmbed(dim, c.video_base_size[0])
        self.motion_embed = MotionEmbed(dim) if c.has_motion else None
        self.is_fixed = False

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return self.mask_embed.mask_token.dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.mask_embed.mask_token.device

    @torch.no_grad()
    def initialize(self) -> None:
        """Set random parameters for training from scratch or for timing: normal(0.02), biases 0, LayerNorms 1 and 0."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
        for token in (self.mask_embed.bos_token, self.mask_embed.mask_token):
            nn.init.normal_(token, std=0.02)
        if self.text_embed is not None:
            nn.init.normal_(self.text_embed.weight, std=1.0)
        if self.label_embed is not None:
            nn.init.normal_(self.label_embed.weight, std=0.02)

    def speed_up(self) -> None:
        """Generate with this CPU's fastest layers from now on (:mod:`nova_bench.kernels.layers`), in float32.

        The layers replaced have no parameters any more, so the model can't be trained, saved, cast or moved.
        """
        for encoder in (self.video_encoder, self.image_encoder):
            last = encoder.blocks[-1]
            assert isinstance(last, Block)
            last.attn.split()
            speed_up(encoder.blocks, "cpu")
        self.image_decoder.speed_up()
        self.is_fixed = True

    @property
    def text_conditions(self) -> TextEmbed:
        """The model's :class:`TextEmbed`; InputError if it has none."""
        if self.text_embed is None:
            raise InputError("this transformer is conditioned on class labels, not on text")
        return self.text_embed

    def motion_tokens(self, flow: Tensor) -> Tensor | None:
        """Condition tokens [B, 2, D] of mean flows [B]; None for image models."""
        return None if self.motion_embed is None else self.motion_embed(flow)

    def video_space(self) -> Tensor | None:
        """Absolute positions of a frame's temporal tokens [M, D]; None with rotary positions."""
        return self._space(*self.config.video_base_size[1:])

    def image_space(self) -> Tensor | None:
        """Absolute positions of a frame's image tokens [N, D]; None with rotary positions."""
        return self._space(*self.config.image_base_size)

    def video_angles(self, frame: int) -> Tensor:
        """Rotary angles of the temporal tokens of one frame [M, d/2], for models with rotary positions."""
        return self._angles(frame, self.config.video_base_size[1:], self.video_encoder.head_dim)

    def image_angles(self) -> Tensor | None:
        """Rotary angles of a frame's image tokens [N, d/2] (time 0); None with absolute positions."""
        if not self.config.rotary_pos_embed:
            return None
        return self._angles(0, self.config.image_base_size, self.image_encoder.head_dim)

    def _space(self, rows: int, columns: int) -> Tensor | None:
        if self.config.rotary_pos_embed:
            return None
        return space_embedding(self.config.width, rows, columns, self.device).to(self.dtype)

    def _angles(self, frame: int, size: tuple[int, int], head_dim: int) -> Tensor:
        rows, columns = size
        yx = grid(rows, columns, device=self.device)
        return rotary_angles(torch.cat((torch.full_like(yx[:, :1], frame), yx), 1), head_dim)
