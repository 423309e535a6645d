"""Still and animated images with Pillow."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

from nova_bench.errors import MediaError
from nova_bench.video.clip import Clip, MediaInfo

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
# One 8-bit value per channel, or a palette of such: what converts to RGB without a choice of range.
_EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
_ORIENTATION_TAG = 0x0112
# EXIF orientation -> degrees counter-clockwise that bring the picture upright (mirrored ones count their turn only).
_TURN = {3: 180, 4: 180, 5: 270, 6: 270, 7: 90, 8: 90}


def read_image(path: Path, max_frames: int | None = None) -> Clip:
    """A still image as a clip of one frame without a rate; an animated one (GIF, WebP, APNG) as a video.

    Alpha is dropped, as ``cv2.imread`` does. Raises :class:`MediaError`.
    """
    import numpy as np
    import torch
    from PIL import ImageOps

    frames, durations, orientation = [], [], 1
    with _open(path) as image:
        total, mode = getattr(image, "n_frames", 1), image.mode
        if mode not in _EIGHT_BIT_MODES:
            raise MediaError(f"{path}: pixel mode {mode} has more than 8 bits", "convert it to an 8-bit image")
        for index in range(min(total, max_frames or total)):
            try:
                image.seek(index)
                orientation = image.getexif().get(_ORIENTATION_TAG, 1)
                frames.append(np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
            except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
                raise MediaError(f"{path}: frame {index} is damaged: {error}", "export or copy it again") from error
            durations.append(image.info.get("duration") or 0)
    milliseconds = sum(durations) if total > 1 else 0
    return Clip(
        frames=torch.from_numpy(np.stack(frames)),
        fps=Fraction(1000 * len(frames)) / Fraction(milliseconds) if milliseconds else None,
        pix_fmt=mode,
        frame_count=len(frames),
        declared_frames=total,
        rotation=_TURN.get(orientation, 0),
        variable_frame_rate=total > 1 and len(set(durations)) > 1,
        path=path,
    )


def probe_image(path: Path) -> MediaInfo:
    """Header of an image file. An animation's rate is the one of its first frame. Raises :class:`MediaError`."""
    with _open(path) as image:
        total, milliseconds = getattr(image, "n_frames", 1), image.info.get("duration")
        return MediaInfo(
            path=path,
            width=image.width,
            height=image.height,
            fps=Fraction(1000) / Fraction(milliseconds) if total > 1 and milliseconds else None,
            frames=total,
            pix_fmt=image.mode,
            codec=(image.format or "unknown").lower(),
        )


def _open(path: Path) -> Any:
    from PIL import Image

    try:
        image = Image.open(path)
        getattr(image, "n_frames", 1)  # animated formats read through the file here
        return image
    except (EOFError, OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: cannot be read as an image", "export or copy it again") from error
