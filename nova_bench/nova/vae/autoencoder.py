"""Common base of NOVA's autoencoders: posterior sampling, scaling, slicing, spatial tiling, saving."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from nova_bench.nova.building import refuse_giant
from nova_bench.nova.checkpoint import CONFIG_NAME, write_json, write_weights
from nova_bench.nova.vae.layers import CausalConv3d, Downsample, UpsampleSpace
from nova_bench.nova.vae.tiling import SpatialTiling


class Autoencoder(nn.Module):
    """Base of the autoencoders. Pixels are about [-1, 1]; latents are unscaled unless ``scale`` was applied.

    A subclass defines ``_encode`` and ``_decode`` (one stack of samples, no slicing, no tiling) and ``num_frames``.

    Attributes:
        config: the settings as in ``config.json``.
        latent_channels: channels of a latent.
        spatial_stride: pixels per latent in height and width.
        temporal_stride: frames per latent after the first one (1 for images).
    """

    def __init__(self, config: Mapping[str, Any], latent_channels: int, spatial_stride: int, temporal_stride: int):
        super().__init__()
        self.config = dict(config)
        self.latent_channels = latent_channels
        self.spatial_stride = spatial_stride
        self.temporal_stride = temporal_stride
        self._slicing = False
        self._tiling: SpatialTiling | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build with random weights; under ``torch.device("meta")`` nothing is allocated."""
        widths, layers = config.get("block_out_channels", ()), int(config.get("layers_per_block", 2))
        convolutions = 4 * (layers + 1)  # two in a residual block, on both sides
        parameters = convolutions * sum(27 * int(width) ** 2 for width in widths)
        refuse_giant("autoencoder", convolutions * len(widths), parameters)
        return cls(config)  # type: ignore[call-arg]  # subclasses know the other three

    @staticmethod
    def legacy_keys(key: str) -> str:
        """Map a key of an older checkpoint to its current name."""
        return key

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def _encode(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def _decode(self, z: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def num_frames(self, latent_length: int) -> int:
        """Number of frames that ``decode`` returns for that many latent frames."""
        raise NotImplementedError

    def enable_slicing(self, enabled: bool = True) -> None:
        """Encode and decode one sample at a time: the same numbers with less memory."""
        self._slicing = enabled

    def enable_tiling(self, tile: int = 64, overlap: int = 16) -> None:
        """Encode and decode in overlapping spatial tiles, blended linearly where they overlap.

        Saves memory but changes the numbers, since normalization and attention then see one tile only.

        Args:
            tile: side of a tile in latent pixels.
            overlap: latent pixels that neighbouring tiles share; less than ``tile``.
        """
        self._tiling = SpatialTiling(tile, overlap)

    def disable_tiling(self) -> None:
        """Encode and decode whole frames again (the default)."""
        self._tiling = None

    def speed_up(self) -> None:
        """Use this CPU's fastest convolutions, for float32 on a CPU; the parameters stay."""
        for layer in self.modules():
            if isinstance(layer, UpsampleSpace):
                layer.speed_up()
            elif not isinstance(layer, Downsample):  # which convolves with a stride
                for part in layer.children():
                    if isinstance(part, CausalConv3d):
                        part.speed_up()

    def _run(
        self, function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, stride: int, up: bool
    ) -> torch.Tensor:
        x = x.to(device=self.device, dtype=self.dtype)

        def one_stack(stack: torch.Tensor) -> torch.Tensor:
            return self._tiling.apply(function, stack, stride, up) if self._tiling else function(stack)

        if self._slicing and x.shape[0] > 1:
            return torch.cat([one_stack(sample) for sample in x.split(1)])
        return one_stack(x)

    @torch.no_grad()
    def moments(self, x: torch.Tensor) -> torch.Tensor:
        """Mean and log variance of the posterior, stacked on channels.

        Args:
            x: pixels [B, 3, H, W] or [B, 3, F, H, W] in about [-1, 1].

        Returns:
            [B, 2C, h, w] for a 4-D input, else [B, 2C, T, h, w]; the image autoencoder always gives 4-D.
        """
        return self._run(self._encode, x, self.spatial_stride, up=False)

    @torch.no_grad()
    def encode(
        self, x: torch.Tensor, generator: torch.Generator | Sequence[torch.Generator] | None = None
    ) -> torch.Tensor:
        """Draw unscaled latents from the posterior (NOVA, ``DiagonalGaussianDistribution``).

        Noise is drawn in float32 on the generator's device, whatever the type of the network.

        Args:
            x: pixels as for ``moments``.
            generator: one generator for the batch, or one per sample.

        Returns:
            latents in the network's type, shaped like ``moments`` with C channels.
        """
        moments = self.moments(x)
        mean, log_variance = moments.float().chunk(2, dim=1)
        std = log_variance.clamp(-30.0, 20.0).mul(0.5).exp()
        return (draw_normal(mean.shape, generator, mean.device) * std + mean).to(moments.dtype)

    @torch.no_grad()
    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Decode unscaled latents to pixels in about [-1, 1] (not clamped).

        Args:
            z: [B, C, h, w] or [B, C, T, h, w].

        Returns:
            [B, 3, H, W] for a 4-D input, else [B, 3, num_frames(T), H, W]; the image autoencoder always gives 4-D.
        """
        return self._run(self._decode, z, self.spatial_stride, up=True)

    def scale(self, z: torch.Tensor) -> torch.Tensor:
        """Bring encoded latents to the range that the transformer is trained on."""
        shift = self.config.get("shift_factor")
        return (z - shift if shift else z) * self.config["scaling_factor"]

    def unscale(self, z: torch.Tensor) -> torch.Tensor:
        """Undo ``scale``."""
        shift = self.config.get("shift_factor")
        z = z * (1 / self.config["scaling_factor"])
        return z + shift if shift else z

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and safetensors weights that ``load_vae`` reads."""
        write_json(Path(folder) / CONFIG_NAME, self.config)
        write_weights(folder, self.state_dict())


def draw_normal(
    shape: Sequence[int], generator: torch.Generator | Sequence[torch.Generator] | None, device: torch.device
) -> torch.Tensor:
    """Draw standard normal float32 values; with one generator per sample each row is a separate draw."""
    if isinstance(generator, Sequence):
        if len(generator) != shape[0]:
            raise ValueError(f"{len(generator)} generators were given for {shape[0]} samples")
        return torch.cat([draw_normal((1, *shape[1:]), one, device) for one in generator])
    source = generator.device if generator is not None else device
    return torch.randn(tuple(shape), generator=generator, device=source, dtype=torch.float32).to(device)
