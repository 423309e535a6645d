"""The configuration of a NOVA transformer: sizes, network names and the ablated arrangements.

The published ``transformer/config.json`` files are accepted as they are (no ``_class_name``, no
``rotary_pos_embed``). Additional keys are written only if they differ from their default, so a checkpoint in
the published arrangement keeps a published configuration.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from nova_bench.nova.building import building
from nova_bench.nova.checkpoint import read_json
from nova_bench.nova.errors import ArchitectureError, ConfigError

CLASS_NAME = "NOVATransformer3DModel"
NORM_PLACEMENTS = ("post_before_residual", "post_after_residual", "pre")
_PUBLISHED_HEADS = {768: 12, 1024: 16, 1536: 16}
_VIT = re.compile(r"vit_d(\d{1,9})w(\d{1,9})(?:h(\d{1,9}))?")
_MLP = re.compile(r"mlp_d(\d{1,9})w(\d{1,9})")


@dataclass(frozen=True)
class NetworkSize:
    """Depth (blocks), width (features) and attention heads (0 for an MLP) of one of the three networks."""

    depth: int
    width: int
    heads: int = 0


def parse_arch(name: str) -> NetworkSize:
    """Read ``vit_d{depth}w{width}[h{heads}]`` or ``mlp_d{depth}w{width}``.

    Without ``h`` the published widths have their published heads (768: 12, 1024: 16, 1536: 16), others one head
    per 64 features. Raises :class:`ConfigError` for any other name.
    """
    if match := _VIT.fullmatch(name):
        depth, width = int(match[1]), int(match[2])
        heads = int(match[3] or _PUBLISHED_HEADS.get(width, max(1, width // 64)))
        if depth < 1 or heads < 1 or width % heads:
            raise ConfigError(f"arch {name!r}: width {width} is not a multiple of {heads} heads")
        return NetworkSize(depth, width, heads)
    if match := _MLP.fullmatch(name):
        return NetworkSize(int(match[1]), int(match[2]))
    raise ConfigError(f"unknown arch {name!r}: expected vit_d<depth>w<width>[h<heads>] or mlp_d<depth>w<width>")


@dataclass(frozen=True)
class NOVAConfig:
    """Everything that determines the transformer's parameters and how they are wired.

    Published keys: ``image_dim`` latent channels; ``image_size`` (height, width) in pixels; ``image_stride`` pixels
    per latent cell; ``text_token_dim`` / ``text_token_len`` width and number of the text encoder's features (dim None:
    class labels instead of text); ``image_base_size`` tokens (rows, columns) of a frame; ``video_base_size`` latent
    frames seen in training and temporal tokens (frames, rows, columns); ``arch`` names of temporal encoder, spatial
    encoder and diffusion MLP; ``video_mixer_rank`` rank of the scale-and-shift layer (None or 0: absent, negative:
    full rank); ``rotary_pos_embed`` rotary instead of absolute positions.

    Arrangements of the appendix: ``norm_placement`` (App. B) where a block's LayerNorm sits;
    ``temporal_autoregressive`` (App. E) False for a whole video filled in by the spatial process alone.
    """

    image_size: tuple[int, int]
    image_stride: int
    image_base_size: tuple[int, int]
    video_base_size: tuple[int, int, int]
    arch: tuple[str, str, str]
    image_dim: int = 4
    text_token_dim: int | None = None
    text_token_len: int | None = None
    video_mixer_rank: int | None = None
    rotary_pos_embed: bool = False
    norm_placement: str = "post_before_residual"
    temporal_autoregressive: bool = True

    def __post_init__(self) -> None:
        if self.norm_placement not in NORM_PLACEMENTS:
            raise ConfigError(f"norm_placement {self.norm_placement!r} is none of {', '.join(NORM_PLACEMENTS)}")
        temporal, spatial, decoder = self.temporal, self.spatial, self.decoder
        if not temporal.heads or not spatial.heads or decoder.heads:
            raise ConfigError(f"arch {list(self.arch)}: expected two vit_ names and one mlp_ name")
        if temporal.width != spatial.width:
            raise ConfigError(f"arch {list(self.arch)}: both encoders need one width")
        if self.num_image_tokens != math.prod(self.image_base_size):
            raise ConfigError(f"image_base_size {self.image_base_size} does not fit image_size {self.image_size}")
        if self.num_video_tokens != math.prod(self.video_base_size[1:]):
            raise ConfigError(f"video_base_size {self.video_base_size} does not fit image_size {self.image_size}")
        if self.text_token_dim and not self.text_token_len:
            raise ConfigError("text_token_len is missing beside text_token_dim")
        if self.rotary_pos_embed and any((n.width // n.heads) % 32 for n in (temporal, spatial)):
            raise ConfigError("rotary_pos_embed needs heads of a multiple of 32 features")
        if not self.rotary_pos_embed and spatial.width % 4:
            raise ConfigError(f"arch {list(self.arch)}: absolute positions need a width that is a multiple of 4")

    @property
    def temporal(self) -> NetworkSize:
        """Size of the temporal (video) encoder."""
        return parse_arch(self.arch[0])

    @property
    def spatial(self) -> NetworkSize:
        """Size of the spatial (image) encoder."""
        return parse_arch(self.arch[1])

    @property
    def decoder(self) -> NetworkSize:
        """Size of the diffusion MLP (image decoder)."""
        return parse_arch(self.arch[2])

    @property
    def width(self) -> int:
        """D, the features of both encoders."""
        return self.spatial.width

    @property
    def scale(self) -> tuple[int, int]:
        """Number of blocks of the largest network, and approximate number of weights of all three."""
        networks = (self.temporal, self.spatial, self.decoder)
        vit, mlp = 12, 5  # matrices of width x width in a block
        weights = sum((vit if size.heads else mlp) * size.depth * size.width**2 for size in networks)
        text = (self.text_token_dim or 0) * ((self.text_token_len or 0) + self.width)
        return max(size.depth for size in networks), weights + text

    @property
    def latent_size(self) -> tuple[int, int]:
        """(h, w) of one latent frame."""
        return (self.image_size[0] // self.image_stride, self.image_size[1] // self.image_stride)

    @property
    def patch_size(self) -> int:
        """Side p of an image patch in latent cells; a temporal token covers 2p x 2p."""
        return 15 // self.image_stride + 1

    @property
    def patch_values(self) -> int:
        """P, the latent values of one image patch."""
        return self.patch_size**2 * self.image_dim

    @property
    def num_image_tokens(self) -> int:
        """N, image tokens of one frame."""
        h, w = self.latent_size
        return (h // self.patch_size) * (w // self.patch_size)

    @property
    def num_video_tokens(self) -> int:
        """M, temporal tokens of one frame."""
        h, w = self.latent_size
        return (h // (2 * self.patch_size)) * (w // (2 * self.patch_size))

    @property
    def has_motion(self) -> bool:
        """Whether motion conditions (flow and frame rate) exist: video models only."""
        return self.video_base_size[0] > 1

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "config") -> NOVAConfig:
        """Build from a published or own configuration mapping; keys with a leading underscore are metadata.

        Raises :class:`ArchitectureError` for the configuration of another class, :class:`ConfigError` for a missing
        or unknown key. ``source`` names the mapping in errors.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"{source}: expected a mapping")
        found = data.get("_class_name", CLASS_NAME)
        if found != CLASS_NAME:
            raise ArchitectureError(f"{source}: holds a {found}, not a {CLASS_NAME}")
        values = {key: value for key, value in data.items() if not key.startswith("_")}
        names = [f.name for f in fields(cls)]
        for key in values:
            if key not in names:
                near = difflib.get_close_matches(key, names, 1)
                raise ConfigError(f"{source}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        for key in ("image_size", "image_stride", "image_base_size", "video_base_size", "arch"):
            if values.get(key) is None:
                raise ConfigError(f"{source}: {key!r} is missing")
        for key in ("image_stride", "image_dim", "text_token_dim", "text_token_len", "video_mixer_rank"):
            value = values.get(key)
            if type(value) not in (int, type(None)) or (key != "video_mixer_rank" and (value or 0) < 0):
                raise ConfigError(f"{source}: {key} must be a whole number, not {value!r}")
        with building(source):
            size = values["image_size"]
            values["image_size"] = (size, size) if isinstance(size, int) else tuple(size)
            for key in ("image_base_size", "video_base_size", "arch"):
                values[key] = tuple(values[key])
            if [len(values[k]) for k in ("image_size", "image_base_size", "video_base_size", "arch")] != [2, 2, 3, 3]:
                raise ConfigError(
                    f"{source}: image_size and image_base_size have 2 entries, video_base_size and arch 3"
                )
            values["video_mixer_rank"] = values.get("video_mixer_rank") or None
            return cls(**values)

    @classmethod
    def from_file(cls, path: str | Path) -> NOVAConfig:
        """Read a ``config.json``. Raises :class:`CheckpointError` if it is missing or not JSON."""
        return cls.from_dict(read_json(path), source=str(path))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: published keys always, the others only if they differ from their default."""
        published = ("image_dim", "image_size", "image_stride", "text_token_dim", "text_token_len", "video_base_size")
        out: dict[str, Any] = {name: getattr(self, name) for name in (*published, "image_base_size", "arch")}
        for field in fields(self):
            if field.name not in out and getattr(self, field.name) != field.default:
                out[field.name] = getattr(self, field.name)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in out.items()}

    def with_arrangement(self, **changes: Any) -> NOVAConfig:
        """Copy in another arrangement, for training from scratch; a checkpoint never changes its arrangement."""
        return replace(self, **changes)
