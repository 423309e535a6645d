"""Lower and upper bound of a video model: its first frame repeated, and the ground truth through its autoencoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nova_bench.config.suite import ModelSpec
from nova_bench.config.units import Unit
from nova_bench.core.errors import MissingAsset
from nova_bench.core.identity import digest
from nova_bench.models.base import AdapterContext, AdapterInfo, Output
from nova_bench.models.checkpoints import files_digest, locate_checkpoint, missing_checkpoint
from nova_bench.models.not_finite import not_finite
from nova_bench.models.nova import PRECISION, CheckpointSpec, dtype_name, explained, first_frame
from nova_bench.video import read_clip

if TYPE_CHECKING:
    from torch import Tensor

    from nova_bench.nova.vae import Autoencoder

VERSION = "1"
"""Changes whenever the same inputs may give a different video."""


class RepeatFirstFrameSpec(ModelSpec):
    """The given first frame, `sampling.num_frames` times: what any model that claims to show motion must beat."""

    adapter: Literal["repeat_first_frame"] = "repeat_first_frame"
    """`repeat_first_frame`"""


class RepeatFirstFrame:
    """Needs prompts with an `image`."""

    def __init__(self, options: RepeatFirstFrameSpec, context: AdapterContext):
        del options
        self._frames = context.suite.sampling.num_frames or 1

    def digest(self) -> str:
        """Constant: each unit's identity already covers its first frame."""
        return digest("repeat_first_frame", VERSION)

    def existing(self) -> None:
        """None: videos are made on request."""

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        """Repeat the first frame."""
        for unit in units:
            if unit.image is None:
                yield Output(unit, error="this prompt has no first frame (`image`)")
                continue
            yield Output(unit, first_frame(Path(unit.image))[None].expand(self._frames, -1, -1, -1))


class NovaReconstructionSpec(CheckpointSpec):
    """The reference clip, encoded and decoded by a NOVA checkpoint's autoencoder: a ceiling for models that use it."""

    adapter: Literal["nova_reconstruction"] = "nova_reconstruction"
    """`nova_reconstruction`"""


class NovaReconstruction:
    """Loads the autoencoder on the first batch. Needs prompts with a `reference`.

    Latents are the posterior's means, without noise. As with generated videos, frames after the autoencoder's last
    complete tile are dropped.
    """

    def __init__(self, options: NovaReconstructionSpec, context: AdapterContext):
        self._options, self._context = options, context
        self._vae: Autoencoder | None = None

    def digest(self) -> str:
        """Digest of the autoencoder's files, or of the checkpoint's name if it isn't here."""
        options = self._options
        how = [VERSION, dtype_name(options.dtype, self._context.device), options.vae_tiling]
        try:
            folder = locate_checkpoint(options) / "vae"
        except MissingAsset:
            name = options.checkpoint or options.folder
            return digest("nova_reconstruction", ["absent", name, options.revision, how])
        return digest("nova_reconstruction", [files_digest(folder, self._context.file_digest), how])

    def existing(self) -> None:
        """None: videos are made on request."""

    def generate(self, units: Sequence[Unit]) -> Iterator[Output]:
        """Encode and decode each reference, at most `sampling.num_frames` of its frames."""
        for unit in units:
            if unit.reference is None:
                yield Output(unit, error="this prompt has no reference clip (`reference`)")
                continue
            clip = read_clip(unit.reference, max_frames=self._context.suite.sampling.num_frames)
            yield self._copy(unit, clip.frames)

    def _copy(self, unit: Unit, frames: Tensor) -> Output:
        """Encode and decode frames, uint8 [T, H, W, 3]; converted to bytes as generated videos are."""
        import torch

        from nova_bench.nova import NotFiniteError
        from nova_bench.nova.output import to_uint8

        with explained(), torch.inference_mode():
            vae = self._loaded()
            pixels = frames.to(vae.device).permute(3, 0, 1, 2)[None].float().sub(127.5).div(127.5)
            mean = vae.moments(pixels).chunk(2, dim=1)[0]
            try:
                return Output(unit, torch.from_numpy(to_uint8(vae.decode(mean))[0]))
            except NotFiniteError as error:
                return Output(unit, error=not_finite(error.faults[0], {"vae": vae}, PRECISION))

    def _loaded(self) -> Autoencoder:
        if self._vae is None:
            import torch

            from nova_bench.nova.vae import load_vae

            dtype = getattr(torch, dtype_name(self._options.dtype, self._context.device))
            self._vae = load_vae(locate_checkpoint(self._options) / "vae", dtype, self._context.device)
            if self._options.vae_tiling:
                self._vae.enable_tiling()
        return self._vae


RECONSTRUCTION = AdapterInfo(
    name="nova_reconstruction",
    summary="a ceiling: each prompt's reference clip, encoded and decoded by a NOVA checkpoint's autoencoder",
    options=NovaReconstructionSpec,
    factory=f"{__name__}:NovaReconstruction",
    missing=missing_checkpoint,
    uses_reference=True,
)


REPEAT_FIRST_FRAME = AdapterInfo(
    name="repeat_first_frame",
    summary="a baseline: each prompt's first frame, repeated",
    options=RepeatFirstFrameSpec,
    factory=f"{__name__}:RepeatFirstFrame",
)
