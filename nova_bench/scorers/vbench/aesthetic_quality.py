"""VBench's aesthetic quality: how beautiful are the frames?"""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.networks.batching import per_frame
from nova_bench.networks.frames import clip_input
from nova_bench.networks.numerics import numerics, runs_half
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.settings import NetworkSettings

_ASSETS = ("clip-vit-l-14", "aesthetic-linear")
_SCALE = 10.0  # the predictor's range


class AestheticQualitySettings(NetworkSettings):
    """Settings of aesthetic quality."""


class AestheticQuality:
    """Mean over frames of LAION's aesthetic score on CLIP ViT-L/14 features, over 10, as in VBench's
    aesthetic_quality.py.

    Details: ``frame_scores``, about 0 to 10.
    """

    def __init__(self, settings: AestheticQualitySettings, context: ScorerContext):
        from nova_bench.kernels.layers import speed_up
        from nova_bench.networks.aesthetic import AestheticPredictor
        from nova_bench.networks.clip import VIT_L_14, load_image_encoder
        from nova_bench.networks.weights import load_network

        self._settings, self._device = settings, context.device
        half = runs_half(settings.precision, context.device)
        encoder, predictor = (context.asset(name) for name in _ASSETS)
        self._encoder = speed_up(load_image_encoder(VIT_L_14, encoder, half), context.device)
        self._predictor = load_network(AestheticPredictor, predictor).to(context.device)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        clips = [sample.clip for sample in batch]
        with numerics(self._settings.precision):
            bytes_per_frame = self._encoder.config.bytes_per_frame
            scores = per_frame(
                clips, self._device, bytes_per_frame, lambda frames: self._predictor(self._encoder(clip_input(frames)))
            )
            return [
                Score((frames / _SCALE).mean().item(), details={"frame_scores": frames.tolist()}) for frames in scores
            ]


INFO = ScorerInfo(
    name="aesthetic_quality",
    summary="VBench aesthetic quality: LAION's aesthetic predictor on CLIP features",
    version="2",
    unit="",
    range=(None, None),  # a linear layer; about 0 to 1 in practice
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), aesthetic_quality.py",
    factory=f"{__name__}:AestheticQuality",
    settings=AestheticQualitySettings,
    assets=_ASSETS,
)
