"""Arithmetic on the frames of one video, arranged for speed and little memory; parameters live in the layers.

A video is [1, C, T, H, W] with channels last in memory, the order in which convolutions run fastest. It is
faster than the plain operators, with the same result up to rounding, because:

* large results go to scratch areas that later layers reuse, since fresh memory (page by page from the operating system)
  costs the CPU more time than the arithmetic of a normalization;
* the activation is written directly after the repeated first frames that a causal convolution needs, so padding never
  copies a video;
* on the CPU operators process part of the video at a time, so the result is still in cache when it is stored;
* on the CPU a 3 x 3 x 3 convolution computes two frames at a time from four 3 x 3 ones (Winograd's F(2, 3) along time).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from nova_bench.kernels import half
from nova_bench.kernels.simd.norm import channel_sums

# Most that one operator call writes. On the CPU it should fit the cache of its thread and must stay below the size
# (32 MiB in glibc) from which freed memory returns to the operating system instead of being reused, but not be so small
# that threads mostly wait for each other. A GPU needs large calls; there the limit only bounds temporary float32 copies
# and 32-bit indices.
CPU_PART_BYTES = 24 * 2**20
CPU_PART_BYTES_PER_THREAD = 8 * 2**20
GPU_PART_BYTES = 2**30
KEPT_BYTES = 2**29
"""Most scratch memory that an autoencoder holds between calls."""


class Scratch:
    """Memory that the layers of one pass share, in named areas that grow when needed.

    ``stream`` holds the input of the current layer, ``hidden`` its intermediate result, ``padded`` what a convolution
    reads. A layer whose result is in ``hidden`` calls ``swap``.
    """

    def __init__(self) -> None:
        self._areas: dict[str, torch.Tensor] = {}

    def take(self, name: str, like: torch.Tensor, channels: int, size: tuple[int, int, int]) -> torch.Tensor:
        """Return an uninitialized video [1, channels, *size] in an area; its previous content is lost."""
        count = channels * math.prod(size)
        area = self._areas.get(name)
        if area is None or area.numel() < count or (area.dtype, area.device) != (like.dtype, like.device):
            self._areas.pop(name, None)  # before the new one, so that both never exist together
            with torch.inference_mode(False):  # else it could be used in that mode alone
                area = self._areas[name] = torch.empty(count, dtype=like.dtype, device=like.device)
        return area[:count].view(1, *size, channels).permute(0, 4, 1, 2, 3)

    @property
    def worth_keeping(self) -> bool:
        """Whether it is memory of the CPU that new memory would cost more time than holding this costs room."""
        areas = self._areas.values()
        return all(area.device.type == "cpu" for area in areas) and sum(area.nbytes for area in areas) <= KEPT_BYTES

    def swap(self) -> None:
        """Make the hidden result the stream of the next layer."""
        self._areas = {
            {"stream": "hidden", "hidden": "stream"}.get(name, name): area for name, area in self._areas.items()
        }


class Part(NamedTuple):
    """Frames and rows of a video that are processed together."""

    frames: slice
    rows: slice


def parts(like: torch.Tensor, channels: int, frames: int, height: int, width: int) -> Iterator[Part]:
    """Split a result of this size into groups of whole frames or, if one frame is too large, into bands of it."""
    if like.device.type == "cpu":
        limit = min(CPU_PART_BYTES, CPU_PART_BYTES_PER_THREAD * torch.get_num_threads())
    else:
        limit = GPU_PART_BYTES
    row_bytes = channels * width * like.element_size()
    count = max(1, limit // (row_bytes * height))
    rows = math.ceil(height / math.ceil(row_bytes * height / limit))
    for frame in range(0, frames, count):
        for row in range(0, height, rows):
            yield Part(slice(frame, min(frame + count, frames)), slice(row, min(row + rows, height)))


def normalize(
    x: torch.Tensor, norm: nn.GroupNorm, scratch: Scratch, front: int = 0, per_frame: bool = False, silu: bool = True
) -> torch.Tensor:
    """Group normalization, then SiLU, into the ``padded`` area behind ``front`` copies of the first frame.

    Statistics are over all frames, or over each one alone if ``per_frame``.
    """
    _, channels, frames, height, width = x.shape
    scale, shift = affine(x, norm, per_frame)
    out = scratch.take("padded", x, channels, (front + frames, height, width))
    for part in parts(x, channels, frames, height, width):
        target = out[:, :, part.frames.start + front : part.frames.stop + front, part.rows]
        rows = part.frames if per_frame else slice(None)
        torch.addcmul(shift[:, :, rows], x[:, :, part.frames, part.rows], scale[:, :, rows], out=target)
        if silu:
            F.silu(target, inplace=True)
    repeat_first(out, front)
    return out


def repeat_first(padded: torch.Tensor, front: int) -> None:
    """Fill the ``front`` leading frames with the one that follows them."""
    if front:
        padded[:, :, :front] = padded[:, :, front : front + 1]


def affine(x: torch.Tensor, norm: nn.GroupNorm, per_frame: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift [1, C, T or 1, 1, 1] that normalize x, in float32."""
    channels, height = x.shape[1], x.shape[3]
    # Moments about a typical value of each channel, so that a large mean doesn't drown the variance.
    pivot = x[0, :, 0, height // 2].float().mean(-1)
    moments = _sums(x, pivot) / x[0, 0, 0].numel()
    if not per_frame:
        moments = moments.mean(dim=1, keepdim=True)
    moments[1] += 2 * pivot * moments[0] + pivot.double() ** 2
    moments[0] += pivot
    mean, square = moments.unflatten(-1, (norm.num_groups, -1)).mean(dim=-1)  # [T or 1, groups] each
    inverse = (square - mean.square()).clamp(min=0).add(norm.eps).rsqrt()
    per_group = channels // norm.num_groups
    scale = inverse.repeat_interleave(per_group, dim=1) * norm.weight
    shift = norm.bias - mean.repeat_interleave(per_group, dim=1) * scale
    return tuple(value.float().t()[None, :, :, None, None] for value in (scale, shift))


def _sums(x: torch.Tensor, pivot: torch.Tensor) -> torch.Tensor:
    """Sums over the pixels of each frame of x - ``pivot`` [C] and of its square: float64 [2, T, C]."""
    _, channels, frames, height, width = x.shape
    compiled = channel_sums(x[0].permute(1, 2, 3, 0).flatten(1, 2), pivot)
    if compiled is not None:
        return compiled
    sums = x.new_zeros(2, frames, channels, dtype=torch.float64)
    for part in parts(x, channels, frames, height, width):
        block = x[0, :, part.frames, part.rows].permute(1, 2, 3, 0).flatten(1, 2).float()  # a view for float32
        block = block - pivot
        # Sums over one part are accurate in float32; their differences below need more.
        sums[0, part.frames] += block.sum(1)
        sums[1, part.frames] += block.square_().sum(1)
    return sums


def convolve(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    scratch: Scratch,
    area: str,
    add_to: torch.Tensor | None = None,
) -> torch.Tensor:
    """Convolve frames that are already padded in time, keeping height and width.

    Args:
        x: [1, C, T + kt - 1, H, W].
        weight: [C', C, kt, k, k] with odd k.
        area: scratch area for the result; must not hold x.
        add_to: add to this video in place instead of making a new one.

    Returns:
        [1, C', T, H, W], in the scratch area or in new memory.
    """
    size = (x.shape[2] - weight.shape[2] + 1, *x.shape[3:])
    todo = list(parts(x, weight.shape[0], *size))
    if add_to is None and len(todo) == 1 and not _in_pairs(x, weight):
        return conv3d(x, weight, bias, pad=weight.shape[-1] // 2).contiguous(memory_format=torch.channels_last_3d)
    out = scratch.take(area, x, weight.shape[0], size) if add_to is None else add_to
    if _in_pairs(x, weight):
        _convolve_in_pairs(x, weight, bias, out, add=add_to is not None)
        return out
    for part in todo:
        frames = x[:, :, part.frames.start : part.frames.stop + weight.shape[2] - 1]
        _store(out[:, :, part.frames, part.rows], _band(frames, weight, bias, part.rows), add_to is not None)
    return out


def conv3d(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, pad: int, stride: tuple[int, int, int] = (1, 1, 1)
) -> torch.Tensor:
    """Convolution with ``pad`` zeros around each frame and none in time."""
    return half.convolve(_conv3d, x, weight, bias, stride, (0, pad, pad))


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


def _band(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, rows: slice) -> torch.Tensor:
    """Rows of the result of a convolution that keeps height and width."""
    pad = weight.shape[-1] // 2
    top, bottom = max(rows.start - pad, 0), min(rows.stop + pad, x.shape[3])
    return conv3d(x[..., top:bottom, :], weight, bias, pad)[..., rows.start - top : rows.stop - top, :]


def _store(target: torch.Tensor, value: torch.Tensor, add: bool) -> None:
    if add:
        target += value
    else:
        target.copy_(value)


def _in_pairs(x: torch.Tensor, weight: torch.Tensor) -> bool:
    # Sums of inputs cost accuracy in half precision, and a GPU has better uses for its time than element-wise passes.
    return x.device.type == "cpu" and x.dtype == torch.float32 and tuple(weight.shape[2:]) == (3, 3, 3)


def _convolve_in_pairs(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, out: torch.Tensor, add: bool
) -> None:
    """Causal (3, 3, 3) convolution with 4 instead of 6 products per two frames (Winograd 1980; Lavin and Gray 2016).

    The first result sees one frame three times and needs a single 3 x 3 convolution.
    """
    _, _, frames, height, width = out.shape
    first, middle, last = (tap.contiguous(memory_format=torch.channels_last_3d) for tap in weight.split(1, dim=2))
    outer = first + last
    plus, minus = (outer + middle) / 2, (outer - middle) / 2
    for part in parts(x, weight.shape[0], 1, height, width):
        _store(out[:, :, :1, part.rows], _band(x[:, :, 2:3], outer + middle, bias, part.rows), add)
    for part in parts(x, weight.shape[0], (frames - 1) // 2, height, width):
        rows, start, stop = part.rows, 1 + 2 * part.frames.start, 1 + 2 * part.frames.stop
        top, bottom = max(rows.start - 1, 0), min(rows.stop + 1, height)
        a, b, c, d = (x[:, :, start + tap : stop + tap : 2, top:bottom] for tap in range(4))
        inner = slice(rows.start - top, rows.stop - top)
        early, late = (out[:, :, start + tap : stop + tap : 2, rows] for tap in range(2))
        even = conv3d(b + c, plus, bias, 1)[..., inner, :]
        odd = conv3d(c - b, minus, None, 1)[..., inner, :]
        if add:
            early += even
            early += odd
            late += even.sub_(odd)
        else:
            torch.add(even, odd, out=early)
            torch.sub(even, odd, out=late)
        early += conv3d(a - c, first, None, 1)[..., inner, :]
        late += conv3d(d - b, last, None, 1)[..., inner, :]
    if frames % 2 == 0:
        for part in parts(x, weight.shape[0], 1, height, width):
            _store(out[:, :, -1:, part.rows], _band(x[:, :, -3:], weight, bias, part.rows), add)


def convolve_nearest(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, scratch: Scratch, area: str
) -> torch.Tensor:
    """Nearest-neighbour doubling of height and width, then a (1, 3, 3) convolution with padding 1.

    Each output pixel sees only 2 x 2 input pixels, so the four output phases are four 2 x 2 convolutions, done as one
    on the small input: 16 products per input pixel and channel pair instead of 36, and no enlarged input.
    """
    channels, (frames, height, width) = weight.shape[0], x.shape[2:]
    kernels = torch.cat([phase for rows in _phases(weight, 3) for phase in _phases(rows, 4)])  # [4 C', C, 1, 2, 2]
    out = scratch.take(area, x, channels, (frames, 2 * height, 2 * width))
    for part in parts(x, 4 * channels, frames, height, width):
        top, bottom = max(part.rows.start - 1, 0), min(part.rows.stop + 1, height)
        result = conv3d(x[:, :, part.frames, top:bottom], kernels, bias.repeat(4), pad=1)
        for index, phase in enumerate(result.chunk(4, dim=1)):
            down, right = divmod(index, 2)
            rows = slice(part.rows.start - top + down, part.rows.stop - top + down)
            target = out[:, :, part.frames, 2 * part.rows.start + down : 2 * part.rows.stop : 2, right::2]
            target.copy_(phase[..., rows, right : right + width])
    return out


def _phases(weight: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Kernels of length 2 that give the even and odd outputs of a length-3 kernel on doubled input."""
    first, middle, last = weight.split(1, dim)
    return torch.cat([first, middle + last], dim), torch.cat([first + middle, last], dim)


def convolve_to_few(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Causal (3, 3, 3) convolution to few channels, from frames that aren't padded in time.

    With few outputs reading the input dominates, so it is read once for all time taps; their results are then shifted
    and added. Returns an ordinary contiguous video.
    """
    channels, _, taps = weight.shape[:3]
    _, _, frames, height, width = x.shape
    stacked = torch.cat(weight.split(1, dim=2))  # [taps * C', C, 1, 3, 3]
    partial = x.new_empty(1, taps * channels, taps - 1 + frames, height, width)
    for part in parts(x, x.shape[1], frames, height, width):
        shifted = slice(part.frames.start + taps - 1, part.frames.stop + taps - 1)
        partial[:, :, shifted, part.rows] = _band(x[:, :, part.frames], stacked, None, part.rows)
    repeat_first(partial, taps - 1)
    first, *others = partial.chunk(taps, dim=1)
    out = first[:, :, :frames] + bias.view(1, -1, 1, 1, 1)
    for tap, later in enumerate(others, start=1):
        out += later[:, :, tap : tap + frames]
    return out
