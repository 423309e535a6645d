"""VBench's subject consistency: does the subject keep its appearance?"""

from __future__ import annotations

from collections.abc import Sequence

from nova_bench.networks.batching import per_frame
from nova_bench.networks.frames import dino_input, dino_size
from nova_bench.networks.numerics import numerics
from nova_bench.scorers.base import Aggregate, Sample, Score, ScorerContext, ScorerInfo
from nova_bench.scorers.vbench.consistency import consistency
from nova_bench.scorers.vbench.settings import NetworkSettings

_ASSET = "dino-vitb16"


class SubjectConsistencySettings(NetworkSettings):
    """Settings of subject consistency."""


class SubjectConsistency:
    """Mean over frames i >= 1 of [max(0, cos(f_i, f_(i-1))) + max(0, cos(f_i, f_0))] / 2; f are DINO ViT-B/16 features.

    Frames are resampled to a shorter side of 224 and not cropped, as in VBench's subject_consistency.py.
    """

    def __init__(self, settings: SubjectConsistencySettings, context: ScorerContext):
        from nova_bench.kernels.layers import speed_up
        from nova_bench.networks.dino import DINO
        from nova_bench.networks.weights import load_network

        self._settings, self._device = settings, context.device
        self._network = speed_up(load_network(DINO, context.asset(_ASSET)), context.device)

    def score(self, batch: Sequence[Sample]) -> list[Score]:
        clips = [sample.clip for sample in batch]
        with numerics(self._settings.precision):
            features = per_frame(clips, self._device, _bytes, lambda frames: self._network(dino_input(frames)))
            return [consistency(frames) for frames in features]


def _bytes(height: int, width: int) -> float:
    """Memory of one frame: activations of one block, and the frame itself."""
    rows, columns = dino_size(height, width)
    tokens = (rows // 16) * (columns // 16) + 1
    return 4 * (tokens * 768 * 16 + 3 * (height * width + 2 * rows * columns))


INFO = ScorerInfo(
    name="subject_consistency",
    summary="VBench subject consistency: similarity of DINO features between frames",
    version="2",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="VBench 1.0 (arXiv 2311.17982), subject_consistency.py",
    factory=f"{__name__}:SubjectConsistency",
    settings=SubjectConsistencySettings,
    assets=(_ASSET,),
    average="weighted",
    aggregates={"official_8_ranks": Aggregate("mean over videos, whatever their numbers of frames", "mean")},
    even_frames=True,
)
