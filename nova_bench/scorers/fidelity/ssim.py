"""Structural similarity, at one and at five scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nova_bench.scorers.base import ScorerContext, ScorerInfo
from nova_bench.scorers.fidelity.frames import FidelitySettings, FrameMeans
from nova_bench.scorers.streaming import Measurement, StreamingScorer
from nova_bench.video.source import FrameSource

if TYPE_CHECKING:
    import numpy as np

_SIGMA = 1.5
_WINDOW = 11
_BORDER = _WINDOW // 2  # pixels whose window extends beyond the picture don't count
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# Wang et al. 2003: weight of each scale, finest first.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# 161: the smallest side whose coarsest scale, halved four times, still holds a window.
_SMALLEST_SIDE_OF_FIVE_SCALES = (_WINDOW - 1) * 2 ** (len(_SCALE_WEIGHTS) - 1) + 1


class SSIM(StreamingScorer):
    """SSIM (Wang et al. 2004), mean over RGB channels, then over frames.

    11x11 Gaussian window of sigma 1.5, K = (0.01, 0.03), only windows inside the picture, as in the paper and in
    scikit-image. In float64: float32 loses the small variance of bright flat areas (two equal white frames would get
    0.999), and torchmetrics' mean includes mirrored borders. Details: ``per_frame``.
    """

    needs_reference = True

    def __init__(self, settings: FidelitySettings, context: ScorerContext):
        del context  # OpenCV's separable filters on the CPU
        self.settings = settings

    def begin(self, video: FrameSource) -> Measurement:
        return _means(video, self.settings, ssim, _WINDOW)


class MSSSIM(StreamingScorer):
    """MS-SSIM (Wang et al. 2003): SSIM's contrast-structure at five scales, luminance at the coarsest.

    Scales are halved by 2x2 means, odd sides as in TensorFlow's ``ssim_multiscale``. Per channel a negative mean
    similarity counts as 0; mean over RGB channels, then over frames. Details: ``per_frame``.
    """

    needs_reference = True

    def __init__(self, settings: FidelitySettings, context: ScorerContext):
        del context
        self.settings = settings

    def begin(self, video: FrameSource) -> Measurement:
        return _means(video, self.settings, ms_ssim, _SMALLEST_SIDE_OF_FIVE_SCALES)


def _means(
    video: FrameSource,
    settings: FidelitySettings,
    similarity: Callable[[np.ndarray, np.ndarray], float],
    smallest_side: int,
) -> FrameMeans:
    reason = ""
    if min(video.height, video.width) < smallest_side:
        needs = f"{similarity.__name__} needs sides of {smallest_side} pixels"
        reason = f"{video.width}x{video.height} is too small: {needs}"
    return FrameMeans(settings, lambda frames, references: list(map(similarity, frames, references)), reason=reason)


def ssim(video: np.ndarray, reference: np.ndarray) -> float:
    """SSIM of two uint8 RGB frames [H, W, 3] with sides of at least 11."""
    import numpy as np

    luminance, contrast = _similarity_maps(video.astype(np.float64), reference.astype(np.float64))
    return float((luminance * contrast).mean())


def ms_ssim(video: np.ndarray, reference: np.ndarray) -> float:
    """MS-SSIM of two uint8 RGB frames [H, W, 3] with sides of at least 161."""
    import numpy as np

    x, y = video.astype(np.float64), reference.astype(np.float64)
    product = np.ones(3)
    for weight in _SCALE_WEIGHTS[:-1]:
        _, contrast = _similarity_maps(x, y)
        product *= contrast.mean(axis=(0, 1)).clip(min=0) ** weight
        x, y = _halved(x), _halved(y)
    luminance, contrast = _similarity_maps(x, y)
    product *= (luminance * contrast).mean(axis=(0, 1)).clip(min=0) ** _SCALE_WEIGHTS[-1]
    return float(product.mean())


def _similarity_maps(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luminance and contrast-structure terms of SSIM, float64 [H - 10, W - 10, 3], for float64 frames in 0-255."""
    import cv2

    def window_mean(values: np.ndarray) -> np.ndarray:
        blurred = cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REFLECT_101)
        return blurred[_BORDER:-_BORDER, _BORDER:-_BORDER]

    mean_x, mean_y = window_mean(x), window_mean(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = window_mean(x * x + y * y) - squares
    covariance = window_mean(x * y) - product
    return (2 * product + _C1) / (squares + _C1), (2 * covariance + _C2) / (variances + _C2)


def _halved(frame: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels; an odd side is first extended by a copy of its last row or column."""
    import numpy as np

    height, width = frame.shape[:2]
    even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, 3).mean(axis=(1, 3))


SSIM_INFO = ScorerInfo(
    name="ssim",
    summary="Structural similarity to a reference video, mean over frames",
    version="2",
    unit="",
    range=(-1.0, 1.0),
    higher_is_better=True,
    source="Wang et al., IEEE TIP 13(4), 2004; equals scikit-image with Gaussian weights",
    factory=f"{__name__}:SSIM",
    settings=FidelitySettings,
    needs_reference=True,
    streams=True,
    even_frames=True,
)

MS_SSIM_INFO = ScorerInfo(
    name="ms_ssim",
    summary="Multi-scale structural similarity to a reference video, mean over frames",
    version="2",
    unit="",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="Wang et al., Asilomar 2003; five scales with the paper's weights",
    factory=f"{__name__}:MSSSIM",
    settings=FidelitySettings,
    needs_reference=True,
    streams=True,
    even_frames=True,
)
