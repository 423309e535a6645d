"""VBench's imaging quality: how free are the frames of noise, blur and overexposure?"""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.networks.batching import per_frame
from nova_bench.networks.frames import musiq_input
from nova_bench.networks.numerics import numerics
from nova_bench.scorers.base import Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.settings import NetworkSettings

_ASSET = "musiq-spaq"
_SCALE = 100.0  # the range of SPAQ's opinion scores


class ImagingQualitySettings(NetworkSettings):
    """Settings of imaging quality."""


class ImagingQuality:
    """Mean over frames of the MUSIQ score (trained on SPAQ), over 100, as in VBench's imaging_quality.py.

    Details: ``frame_scores``, about 0 to 100.
    """

    def __init__(self, settings: ImagingQualitySettings, context: ScorerContext):
        from nova_bench.kernels.layers import speed_up
        from nova_bench.networks.musiq import MUSIQ
        from nova_bench.networks.weights import load_network

        self._settings, self._device = settings, context.device
        self._network = speed_up(load_network(MUSIQ, context.asset(_ASSET), MUSIQ.official_keys), context.device)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        from nova_bench.networks.musiq import bytes_per_frame

        clips = [sample.clip for sample in batch]
        with numerics(self._settings.precision):
            scores = per_frame(clips, self._device, bytes_per_frame, lambda frames: self._network(musiq_input(frames)))
        return [self._mean(frames.tolist()) for frames in scores]

    @staticmethod
    def _mean(frame_scores: list[float]) -> Score:
        return Score(sum(frame_scores) / len(frame_scores) / _SCALE, details={"frame_scores": frame_scores})


INFO = ScorerInfo(
    name="imaging_quality",
    summary="VBench imaging quality: MUSIQ's technical quality of the frames",
    version="2",
    unit="",
    range=(None, None),  # a linear layer; about 0 to 1 in practice
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), imaging_quality.py",
    factory=f"{__name__}:ImagingQuality",
    settings=ImagingQualitySettings,
    assets=(_ASSET,),
)
