"""Arithmetic on the frames of one video, arranged for speed and little memory; parameters live in the layers.

A video is [1, C, T, H, W] with channels last in memory, the order in which convolutions run fastest. Three things make
this faster than the plain operators, without another result than rounding:

* large results go to scratch areas that later layers use again, since fresh memory costs the CPU more time (page by
  page, from the operating system) than the arithmetic of a normalization;
* the activation is written right behind the repeated first frames that a causal convolution needs, so that padding
  never copies a video;
* on the CPU a convolution works on few frames at a time, whose result is still in cache when it's stored or added.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional as F

# Result of one convolution call on the CPU: fits the last-level cache, and below glibc's 32 MiB threshold freed memory
# is handed out again instead of going back to the operating system.
CPU_CHUNK_BYTES = 16 * 2**20


class Scratch:
    """Memory that the layers of one pass share, in named areas that grow when needed.

    ``stream`` holds the input of the current layer, ``hidden`` its intermediate result, ``padded`` what a convolution
    reads. A layer whose result is in ``hidden`` calls ``swap``.
    """

    def __init__(self) -> None:
        self._areas: dict[str, torch.Tensor] = {}

    def take(self, name: str, like: torch.Tensor, channels: int, size: tuple[int, int, int]) -> torch.Tensor:
        """An uninitialized video [1, channels, *size] in an area; whatever was there is lost."""
        count = channels * math.prod(size)
        area = self._areas.get(name)
        if area is None or area.numel() < count:
            self._areas.pop(name, None)  # before the new one, so that both never exist together
            area = self._areas[name] = torch.empty(count, dtype=like.dtype, device=like.device)
        return area[:count].view(1, *size, channels).permute(0, 4, 1, 2, 3)

    def swap(self) -> None:
        """Make the hidden result the stream of the next layer."""
        self._areas = {
            {"stream": "hidden", "hidden": "stream"}.get(name, name): area for name, area in self._areas.items()
        }


def chunks(frames: int, channels: int, height: int, width: int, like: torch.Tensor) -> Iterator[slice]:
    """Frame ranges to work on one after the other; a GPU is best left to do all at once."""
    step = frames
    if like.device.type == "cpu":
        step = max(1, CPU_CHUNK_BYTES // (channels * height * width * like.element_size()))
    return (slice(start, min(start + step, frames)) for start in range(0, frames, step))


def normalize(
    x: torch.Tensor, norm: nn.GroupNorm, scratch: Scratch, front: int = 0, per_frame: bool = False, silu: bool = True
) -> torch.Tensor:
    """Group normalization, then SiLU, into the ``padded`` area behind ``front`` copies of the first frame.

    Statistics are over all frames, or over each one alone if ``per_frame``.
    """
    _, width, frames, *size = x.shape
    scale, shift = _affine(x, norm, per_frame)
    out = scratch.take("padded", x, width, (front + frames, *size))
    for part in chunks(frames, width, *size, x):
        target = out[:, :, part.start + front : part.stop + front]
        rows = part if per_frame else slice(None)
        torch.addcmul(shift[:, :, rows], x[:, :, part], scale[:, :, rows], out=target)
        if silu:
            F.silu(target, inplace=True)
    repeat_first(out, front)
    return out


def repeat_first(padded: torch.Tensor, front: int) -> None:
    """Fill the ``front`` leading frames with the one that follows them."""
    if front:
        padded[:, :, :front] = padded[:, :, front : front + 1]


def _affine(x: torch.Tensor, norm: nn.GroupNorm, per_frame: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift [1, C, T or 1, 1, 1] that normalize x, in float32."""
    _, width, frames, height, columns = x.shape
    step = 1 if per_frame else None
    sums = []
    for part in chunks(frames, width, height, columns, x):
        block = x[0, :, part].permute(1, 2, 3, 0).flatten(1, 2).float()  # [n, H * W, C], a view of channels-last memory
        sums.append(torch.stack([block.sum(1), block.square().sum(1)]))
    # Sums of single frames are accurate in float32; the difference below needs more.
    moments = torch.cat(sums, dim=1).double() / (height * columns)  # [2, T, C]
    if step is None:
        moments = moments.mean(dim=1, keepdim=True)
    mean, square = moments.unflatten(-1, (norm.num_groups, -1)).mean(dim=-1)  # [T or 1, G] each
    inverse = (square - mean.square()).clamp(min=0).add(norm.eps).rsqrt()
    per_group = width // norm.num_groups
    scale = inverse.repeat_interleave(per_group, dim=1) * norm.weight
    shift = norm.bias - mean.repeat_interleave(per_group, dim=1) * scale
    return tuple(value.float().t()[None, :, :, None, None] for value in (scale, shift))


def convolve(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    scratch: Scratch,
    area: str,
    stride: tuple[int, int, int] = (1, 1, 1),
    pad: int = 0,
    add_to: torch.Tensor | None = None,
) -> torch.Tensor:
    """3D convolution of frames that are already padded in time.

    Args:
        x: [1, C, T, H, W].
        weight: [C', C, kt, kh, kw].
        area: scratch area for a result that is made in chunks; must not hold x.
        pad: zeros around each frame.
        add_to: add to this video in place instead of making a new one.
    """
    window = weight.shape[2]
    size = tuple(
        (length + 2 * margin - kernel) // step + 1
        for length, margin, kernel, step in zip(x.shape[2:], (0, pad, pad), weight.shape[2:], stride, strict=True)
    )
    parts = list(chunks(size[0], weight.shape[0], *size[1:], x))
    out = add_to
    for part in parts:
        frames = x[:, :, part.start * stride[0] : (part.stop - 1) * stride[0] + window]
        result = _conv3d(frames, weight, bias, stride, (0, pad, pad))
        if add_to is not None:
            out[:, :, part] += result
        elif len(parts) == 1:
            return result.contiguous(memory_format=torch.channels_last_3d)
        else:
            out = scratch.take(area, x, weight.shape[0], size) if out is None else out
            out[:, :, part] = result
    return out


def _conv3d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: tuple[int, int, int],
    padding: tuple[int, int, int],
) -> torch.Tensor:
    # The dispatcher sends single videos with few channels to a kernel several times slower than oneDNN's.
    if x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        return torch.ops.aten.mkldnn_convolution(x, weight, bias, padding, stride, (1, 1, 1), 1)
    return F.conv3d(x, weight, bias, stride, padding)


def convolve_nearest(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, scratch: Scratch, area: str):
    """Nearest-neighbour doubling of height and width, then a (1, 3, 3) convolution with padding 1.

    Each output pixel sees only 2 x 2 input pixels, so the four output phases are four 2 x 2 convolutions, done as one
    on the small input: 16 products per input pixel and channel pair instead of 36, and no enlarged input.
    """
    width, (frames, height, columns) = weight.shape[0], x.shape[2:]
    rows = torch.stack([_phases(weight, 3)[i] for i in range(2)])
    kernels = torch.stack([phase for row in rows for phase in _phases(row, 4)])  # [4, C', C, 1, 2, 2]
    out = scratch.take(area, x, width, (frames, 2 * height, 2 * columns))
    for part in chunks(frames, 4 * width, height, columns, x):
        phases = _conv3d(x[:, :, part], kernels.flatten(0, 1), bias.repeat(4), (1, 1, 1), (0, 1, 1))
        for index, phase in enumerate(phases.chunk(4, dim=1)):
            a, b = divmod(index, 2)
            out[:, :, part, a::2, b::2] = phase[..., a : a + height, b : b + columns]
    return out


def _phases(weight: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernels of length 2 that give the even and odd outputs of a length-3 kernel on doubled input."""
    first, middle, last = weight.split(1, dim)
    return torch.cat([first, middle + last], dim), torch.cat([first + middle, last], dim)


def convolve_to_few(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Causal (3, 3, 3) convolution to few channels, from frames that aren't padded in time.

    With few outputs the input is what costs, so it's read once for all time taps, whose results are then shifted and
    added. Returns an ordinary contiguous video.
    """
    outputs, _, taps = weight.shape[:3]
    _, _, frames, height, width = x.shape
    stacked = weight.transpose(1, 2).transpose(0, 1).flatten(0, 1).unsqueeze(2)  # [taps * C', C, 1, 3, 3]
    partial = x.new_empty(1, taps * outputs, taps - 1 + frames, height, width)
    for part in chunks(frames, taps * outputs, height, width, x):
        result = _conv3d(x[:, :, part], stacked, None, (1, 1, 1), (0, 1, 1))
        partial[:, :, part.start + taps - 1 : part.stop + taps - 1] = result
    repeat_first(partial, taps - 1)
    first, *others = partial.chunk(taps, dim=1)
    out = first[:, :, :frames] + bias.view(1, -1, 1, 1, 1)
    for tap, shifted in enumerate(others, start=1):
        out += shifted[:, :, tap : tap + frames]
    return out
