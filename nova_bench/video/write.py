"""Encodes videos and images. A file appears under its name only when it is complete and on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from os import PathLike
from pathlib import Path
from platform import machine
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nova_bench.core.atomic_files import publish, temporary_file
from nova_bench.core.errors import MediaError

if TYPE_CHECKING:
    import numpy as np
    import torch

# A fixed number of encoder threads: x264's output depends on it, and files shouldn't differ between machines.
_ENCODER_THREADS = 4
# x264's AVX2 code for macroblock trees reads uninitialised memory if a row isn't a multiple of eight macroblocks (64 or
# 176 pixels wide, for example): the same frames then occasionally give different bytes. Older instructions give the
# right ones, as fast. Every x86 processor since 2008 has these; x264 takes the list as an order, not as a limit.
_REPEATABLE = {"x264-params": "asm=MMX2,SSE2,SSE2Fast,SSSE3,SSE4.2"} if machine() in ("x86_64", "AMD64") else {}


def write_mp4(
    path: str | PathLike[str],
    frames: torch.Tensor | np.ndarray,
    fps: float | Fraction = 12,
    *,
    crf: int = 25,
    faststart: bool = False,
) -> None:
    """Write an H.264 (yuv420p) MP4 as NOVA's sampler exports it: 12 fps, x264 at ``crf`` 25 (imageio's default).

    frames: uint8 RGB [T, H, W, 3]. yuv420p stores only even sides: an odd width or height grows by one pixel, a copy of
    the last column or row (nothing is rescaled). ``faststart`` puts the index first, so that a browser can play the
    file before it is all there. Raises :class:`MediaError` if the file can't be written; nothing is left behind then.
    """
    import numpy as np

    frames = _as_array(frames, path)
    odd_h, odd_w = frames.shape[1] % 2, frames.shape[2] % 2
    if odd_h or odd_w:
        frames = np.pad(frames, ((0, 0), (0, odd_h), (0, odd_w), (0, 0)), mode="edge")
    options = {"crf": str(crf), "preset": "medium", **_REPEATABLE}
    muxer = {"movflags": "+faststart"} if faststart else {}
    _encode(path, frames, fps, container="mp4", codec="libx264", pix_fmt="yuv420p", options=options, muxer=muxer)


def write_lossless(path: str | PathLike[str], frames: torch.Tensor | np.ndarray, fps: float | Fraction = 12) -> None:
    """Write an FFV1 Matroska video that :func:`read_clip` returns bit for bit, whatever the frame size.

    frames: uint8 RGB [T, H, W, 3]. Raises :class:`MediaError` as :func:`write_mp4` does.
    """
    frames = _as_array(frames, path)
    # Slices let threads share a frame; FFV1 can't slice a picture of one row or column.
    options = {"level": "3", "slices": "4" if min(frames.shape[1:3]) > 1 else "1"}
    _encode(path, frames, fps, container="matroska", codec="ffv1", pix_fmt="bgr0", options=options)


def write_image(path: str | PathLike[str], frame: torch.Tensor | np.ndarray) -> None:
    """Write uint8 RGB [H, W, 3] as the image format of the suffix (PNG is lossless; JPEG and WebP at quality 95).

    Raises :class:`MediaError` if the suffix isn't that of an image format or the file can't be written.
    """
    from PIL import Image

    array = _as_array(frame[None], path)[0]
    kind = Image.registered_extensions().get(Path(path).suffix.lower())
    if kind not in Image.SAVE:
        raise MediaError(f"{path}: no image format for this suffix", "use .png, .jpg or .webp")
    with _atomic(path) as temporary:
        Image.fromarray(array).save(temporary, format=kind, **({} if kind == "PNG" else {"quality": 95}))


def _as_array(frames: torch.Tensor | np.ndarray, path: str | PathLike[str]) -> np.ndarray:
    """Contiguous uint8 [T, H, W, 3] on the CPU, or a MediaError."""
    import numpy as np

    array = frames if isinstance(frames, np.ndarray) else frames.detach().cpu().numpy()
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3 or array.size == 0:
        raise MediaError(
            f"{path}: cannot write {array.dtype} of shape {list(array.shape)}",
            "frames must be uint8 RGB of shape [T, H, W, 3] with at least one frame",
        )
    return np.ascontiguousarray(array)


def _encode(
    path: str | PathLike[str],
    frames: np.ndarray,
    fps: float | Fraction,
    *,
    container: str,
    codec: str,
    pix_fmt: str,
    options: dict[str, str],
    muxer: Mapping[str, str] = MappingProxyType({}),
) -> None:
    import av

    rate = Fraction(fps).limit_denominator(1001)
    if rate <= 0:
        raise MediaError(f"{path}: a rate of {fps} frames per second", "give a rate above zero")
    # bitexact omits random identifiers and dates: the same frames give the same bytes.
    flags = {"fflags": "+bitexact", **muxer}
    with _atomic(path) as temporary, av.open(str(temporary), "w", format=container, options=flags) as output:
        stream: Any = output.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pix_fmt
        stream.codec_context.thread_count = _ENCODER_THREADS
        stream.metadata["NUMBER_OF_FRAMES"] = str(len(frames))
        for index, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=pix_fmt, interpolation="BICUBIC")
            frame.pts, frame.time_base = index, 1 / rate
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


@contextmanager
def _atomic(path: str | PathLike[str]) -> Iterator[Path]:
    """A temporary file beside ``path`` that becomes ``path`` on success and is removed on failure."""
    import av

    path = Path(path)
    try:
        with temporary_file(path.parent, ".tmp") as temporary:
            yield temporary
            publish(temporary, path)
    except (OSError, av.FFmpegError) as error:
        raise MediaError(
            f"{path}: cannot be written: {error.strerror or error}",
            "check that the folder exists, is writable and has space, and that the name isn't a folder",
        ) from error
