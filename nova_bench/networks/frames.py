"""Prepares frames for the networks. Resampling equals torchvision's `Resize(antialias=False)` on float tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from nova_bench.video import Clip

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_SIDE = 224
_UMT_SIDE = 256  # before the crop
_GRIT_LARGEST, _GRIT_SIDE = 768, 720


def gather(clips: Sequence[Clip], indices: Sequence[tuple[int, int]], device: str) -> torch.Tensor:
    """Frames (clip, frame) of equal size -> float32 [N, 3, H, W] in 0-255 on ``device``."""
    import torch

    return to_float(torch.stack([clips[clip].frames[frame] for clip, frame in indices]), device)


def to_float(frames: torch.Tensor, device: str) -> torch.Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in 0-255 on ``device``. Bytes are moved, then converted there."""
    return frames.to(device).permute(0, 3, 1, 2).contiguous().float()


def dino_size(height: int, width: int) -> tuple[int, int]:
    """Size with a shorter side of 224; the longer one is rounded down."""
    shorter = min(height, width)
    return (_SIDE * height // shorter, _SIDE * width // shorter)


def dino_input(frames: torch.Tensor) -> torch.Tensor:
    """[N, 3, H, W] in 0-255 -> shorter side 224, bilinear, normalized for ImageNet; not cropped."""
    return _normalized(_resized(frames, dino_size(*frames.shape[-2:]), "bilinear"), IMAGENET)


def clip_input(frames: torch.Tensor) -> torch.Tensor:
    """[N, 3, H, W] in 0-255 -> [N, 3, 224, 224]: shorter side 224, bicubic with its overshoot, centre crop."""
    return _normalized(_centre(_resized(frames, dino_size(*frames.shape[-2:]), "bicubic")), CLIP)


def viclip_input(frames: torch.Tensor) -> torch.Tensor:
    """As :func:`clip_input`, but the resampled frames are bytes: without overshoot and rounded."""
    resized = _centre(_resized(frames, dino_size(*frames.shape[-2:]), "bicubic"))
    return _normalized(resized.clamp(0, 255).round(), CLIP)


def pillow_clip_input(frames: torch.Tensor, device: str) -> torch.Tensor:
    """uint8 [N, H, W, 3] -> [N, 3, 224, 224]: as :func:`clip_input`, but resampled by Pillow, which filters and rounds.

    Pillow works on the CPU; the rest is done on ``device``.
    """
    import numpy as np
    import torch
    from PIL import Image

    height, width = dino_size(*frames.shape[1:3])
    resampling = Image.Resampling.BICUBIC
    top, left = _centre_start(height, width)
    central = (left, top, left + _SIDE, top + _SIDE)
    resized = (Image.fromarray(frame).resize((width, height), resampling) for frame in frames.numpy())
    cropped = np.stack([np.asarray(image.crop(central)) for image in resized])
    return _normalized(to_float(torch.from_numpy(cropped), device), CLIP)


def umt_input(frames: torch.Tensor, device: str) -> torch.Tensor:
    """uint8 [N, H, W, 3] -> [N, 3, 224, 224]: shorter side 256 by OpenCV, centre crop, normalized for ImageNet.

    OpenCV's bilinear resampling of bytes rounds in its own way; it works on the CPU.
    """
    import cv2
    import numpy as np
    import torch

    height, width = frames.shape[1:3]
    shorter = min(height, width)
    size = (int(_UMT_SIDE * width / shorter), int(_UMT_SIDE * height / shorter))
    resized = [cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR) for frame in frames.numpy()]
    return _normalized(_centre(to_float(torch.from_numpy(np.stack(resized)), device)), IMAGENET)


def grit_input(frames: torch.Tensor, opencv: bool) -> torch.Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in 0-255 on the CPU; a shorter side above 768 becomes 720.

    ``opencv``: resampled as bytes by OpenCV, as color does; otherwise filtered and not rounded, as the other
    dimensions do. Sizes are rounded down.
    """
    import cv2
    import numpy as np
    import torch
    from torch.nn import functional as F

    height, width = frames.shape[1:3]
    if (shorter := min(height, width)) <= _GRIT_LARGEST:
        return to_float(frames, "cpu")
    size = (int(_GRIT_SIDE / shorter * height), int(_GRIT_SIDE / shorter * width))
    if opencv:
        resized = [cv2.resize(frame, size[::-1], interpolation=cv2.INTER_LINEAR) for frame in frames.numpy()]
        return to_float(torch.from_numpy(np.stack(resized)), "cpu")
    return F.interpolate(to_float(frames, "cpu"), size, mode="bilinear", antialias=True)


def tag2text_input(frames: torch.Tensor) -> torch.Tensor:
    """[N, 3, 384, 384] in 0-255, resampled while they were decoded -> normalized for ImageNet."""
    return _normalized(frames, IMAGENET)


def musiq_input(frames: torch.Tensor, longest: int = 512) -> torch.Tensor:
    """[N, 3, H, W] in 0-255 -> 0-1, made smaller if the longer side is above ``longest``."""
    height, width = frames.shape[-2:]
    if max(height, width) > longest:
        scale = longest / max(height, width)
        frames = _resized(frames, (int(scale * height), int(scale * width)), "bilinear")
    return frames / 255.0


def padded(frames: torch.Tensor, multiple: int) -> torch.Tensor:
    """Repeat the border until both sides are multiples, half of it on either side (an odd pixel comes last)."""
    from torch.nn import functional as F

    height, width = frames.shape[-2:]
    left, right, top, bottom = padding(height, width, multiple)
    return F.pad(frames, (left, right, top, bottom), mode="replicate")


def padding(height: int, width: int, multiple: int) -> tuple[int, int, int, int]:
    """What :func:`padded` adds: left, right, top, bottom."""
    across, down = -width % multiple, -height % multiple
    return across // 2, across - across // 2, down // 2, down - down // 2


def _resized(frames: torch.Tensor, size: tuple[int, int], mode: str) -> torch.Tensor:
    from torch.nn import functional as F

    return F.interpolate(frames, size, mode=mode, align_corners=False)


def _centre(frames: torch.Tensor) -> torch.Tensor:
    """The central 224 x 224 pixels."""
    top, left = _centre_start(*frames.shape[-2:])
    return frames[..., top : top + _SIDE, left : left + _SIDE]


def _centre_start(height: int, width: int) -> tuple[int, int]:
    """The first of the central rows, and of the central columns."""
    return round((height - _SIDE) / 2), round((width - _SIDE) / 2)


def _normalized(frames: torch.Tensor, statistics: tuple[tuple[float, ...], tuple[float, ...]]) -> torch.Tensor:
    mean, deviation = (frames.new_tensor(values).view(3, 1, 1) for values in statistics)
    return (frames / 255.0).sub_(mean).div_(deviation)
