"""VBench's background consistency: does the scene keep its appearance?"""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.networks.batching import per_frame
from nova_bench.networks.frames import clip_input
from nova_bench.networks.numerics import numerics, runs_half
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.consistency import consistency
from nova_bench.scorers.vbench.settings import NetworkSettings

_ASSET = "clip-vit-b-32"


class BackgroundConsistencySettings(NetworkSettings):
    """Settings of background consistency."""


class BackgroundConsistency:
    """Mean over frames i >= 1 of [max(0, cos(f_i, f_(i-1))) + max(0, cos(f_i, f_0))] / 2; f are CLIP ViT-B/32 features.

    If CLIP runs in float16 (``official`` on CUDA), so do normalization and cosines, as in VBench's
    background_consistency.py.
    """

    def __init__(self, settings: BackgroundConsistencySettings, context: ScorerContext):
        from nova_bench.kernels.layers import speed_up
        from nova_bench.networks.clip import VIT_B_32, load_image_encoder

        self._settings, self._device = settings, context.device
        half = runs_half(settings.precision, context.device)
        self._network = speed_up(load_image_encoder(VIT_B_32, context.asset(_ASSET), half), context.device)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        clips = [sample.clip for sample in batch]
        with numerics(self._settings.precision):
            bytes_per_frame = self._network.config.bytes_per_frame
            features = per_frame(clips, self._device, bytes_per_frame, lambda frames: self._network(clip_input(frames)))
            return [consistency(frames) for frames in features]


INFO = ScorerInfo(
    name="background_consistency",
    summary="VBench background consistency: similarity of CLIP features between frames",
    version="2",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), background_consistency.py",
    factory=f"{__name__}:BackgroundConsistency",
    settings=BackgroundConsistencySettings,
    assets=(_ASSET,),
    average="weighted",
    even_frames=True,
)
