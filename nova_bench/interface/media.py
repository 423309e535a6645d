"""Media in memory as files, which is what everything else reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import UserError
from nova_bench.video import write_image, write_lossless

if TYPE_CHECKING:
    import numpy as np

ANY_RATE = 8.0
"""Frame rate of files whose rate nothing reads."""
_SHAPES = "arrays are [T, H, W, 3], tensors [T, 3, H, W]; one dimension more is a batch, one less an image"


def is_path(media: object) -> bool:
    """Whether media are given by their place."""
    return isinstance(media, str | PathLike)


def write_media(
    folder: Path, media: object, reference: object, prompts: str | Sequence[str] | None, fps: float | None
) -> Path:
    """Write media without loss, with a manifest beside them; return the manifest.

    ``reference`` has as many videos as ``media``; ``prompts`` one for each. Without prompts, videos are named by their
    number. UserError for media that are none.
    """
    videos = _videos(media, "media")
    references = [None] * len(videos) if reference is None else _videos(reference, "reference")
    if len(references) != len(videos):
        raise UserError(f"{len(videos)} videos, but {len(references)} references", "give one reference for each video")
    names = [prompts] if isinstance(prompts, str) else prompts
    names = [f"video {number}" for number in range(len(videos))] if names is None else list(names)
    if len(names) != len(videos):
        raise UserError(f"{len(videos)} videos, but {len(names)} prompts", "give one prompt for each video")
    seen: Counter[str] = Counter()
    rows = []
    for number, (video, partner, name) in enumerate(zip(videos, references, names, strict=True)):
        row = {"path": _place(folder, f"{number:05}", video, fps), "prompt": name, "sample_index": seen[name]}
        if partner is not None:
            row["reference"] = _place(folder, f"{number:05}-reference", partner, fps)
        rows.append(row)
        seen[name] += 1
    manifest = folder / "media.jsonl"
    manifest.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return manifest


def _place(folder: Path, stem: str, video: Path | np.ndarray, fps: float | None) -> str:
    if isinstance(video, Path):
        return str(video.resolve())
    path = folder / f"{stem}{'.png' if len(video) == 1 else '.mkv'}"
    if len(video) == 1:
        write_image(path, video[0])
    else:
        write_lossless(path, video, fps or ANY_RATE)
    return path.name


def _videos(media: object, what: str) -> list[Path | np.ndarray]:
    """Each video as a path, or as uint8 [T, H, W, 3]."""
    if isinstance(media, list | tuple):
        if not media:
            raise UserError(f"{what}: empty", "give at least one video")
        if all(map(_is_picture, media)):
            return [_pictures(media, what)]
        return [video for place, one in enumerate(media) for video in _of_item(one, f"{what}[{place}]")]
    return _of_item(media, what)


def _of_item(item: object, what: str) -> list[Path | np.ndarray]:
    if is_path(item):
        path = Path(item)  # type: ignore[arg-type]
        if not path.is_file():
            raise UserError(f"{what}: {path}: no such file", "name a video or an image")
        return [path]
    if _is_picture(item):
        return [_pictures([item], what)]
    if isinstance(item, list | tuple):
        if item and all(map(_is_picture, item)):
            return [_pictures(item, what)]
        raise UserError(f"{what}: a list inside a list holds PIL images, one for each frame", _SHAPES)
    return list(_arrays(item, what))


def _is_picture(item: object) -> bool:
    return hasattr(item, "convert") and hasattr(item, "getbands")


def _pictures(pictures: Sequence[Any], what: str) -> np.ndarray:
    import numpy as np

    sizes = {picture.size for picture in pictures}
    if len(sizes) > 1:
        raise UserError(f"{what}: pictures of different sizes: {sorted(sizes)}", "a video's frames have one size")
    return np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])


def _arrays(item: object, what: str) -> np.ndarray:
    """uint8 [N, T, H, W, 3] of an array or tensor of three to five dimensions."""
    import numpy as np

    channels = -1
    if hasattr(item, "detach"):
        item, channels = item.detach().cpu().float() if item.is_floating_point() else item.detach().cpu(), -3  # type: ignore[attr-defined]
    elif not isinstance(item, np.ndarray):
        raise UserError(f"{what}: {type(item).__name__} is neither a path nor media", _SHAPES)
    values = np.asarray(item)
    if not 3 <= values.ndim <= 5 or values.shape[channels] != 3 or not values.size:
        raise UserError(f"{what}: shape {tuple(values.shape)}", _SHAPES)
    values = np.moveaxis(values, channels, -1)
    values = values.reshape((1,) * (5 - values.ndim) + values.shape)
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype.kind != "f":
        raise UserError(f"{what}: {values.dtype}", "give uint8 from 0 to 255, or floats from 0 to 1")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        remedy = "x * 0.5 + 0.5" if low >= -1 and high <= 1 else "x / 255" if low >= 0 and high <= 255 else "no NaN"
        raise UserError(f"{what}: values from {low:g} to {high:g}, expected 0 to 1", remedy)
    return (values * 255).round().astype(np.uint8)
