"""Linear layers and convolutions that compute float32 products as sums of exact int8 products.

Each value is written as three signed bytes, v = scale * (65536 * high + 256 * middle + low), with one scale per row
(per image in a convolution, per output of the weights). Of the nine products of digits, the six largest are summed:
exactly in int32 over up to 384 channels, and those sums in float32. The omitted products and the rounding to 23 bits
cost about as much accuracy as float32 products lose by rounding their sums (up to four times as much if one channel is
a hundred times larger than the others). The scheme is Ozaki's: Ozaki et al., Numerical Algorithms 59, 2012; on int8
units Ootomo et al., arXiv 2306.11975. AMX computes int8 products more than thirty times as fast as the CPU's float32
units compute theirs, so six of them, with all overhead, are still about three times as fast. A row's result doesn't
depend on the other rows.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.amx.library import CHUNK, required_library
from nova_bench.kernels.arguments import NO_ACTIVATION, Heads, activation_code, check, readable_heads

LANES = 64
LARGEST = 8355000  # as in digits.h: what the largest value of a scale becomes
HEADS = (16, 32, 48, LANES)  # channels per attention head that the kernel takes
MOST_TOKENS = 32768  # whose sums are sure to fit int32 in the attention kernel
_TILE = 16
_SLACK = 16  # the kernel reads 16 rows at a time
_SMALLEST = 48  # channels: with fewer, most of the 64 lanes would be zeros
_FEW = 4  # channels of an image


def sliced(layer: nn.Module) -> nn.Module | None:
    """The equivalent sliced layer, if there is one and it is faster."""
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        return None
    if type(layer).forward not in (nn.Linear.forward, nn.Conv2d.forward):
        return None
    outputs, inputs = layer.weight.shape[:2]
    if layer.weight.dtype != torch.float32 or outputs < _SMALLEST:
        return None
    if isinstance(layer, nn.Linear):
        return SlicedLinear(layer) if inputs >= _SMALLEST else None
    if {*layer.dilation, layer.groups} != {1} or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return None
    if inputs <= _FEW and layer.stride[0] == layer.stride[1] > 1:
        return SlicedStem(layer)
    return SlicedConv2d(layer) if inputs >= _SMALLEST and set(layer.stride) == {1} else None


def _empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Uninitialised memory; large blocks use large pages, since PyTorch's memory is often new to the process."""
    tensor = torch.empty(shape, dtype=dtype)
    required_library().sliced_large_pages(tensor.data_ptr(), tensor.nbytes)
    return tensor


def room(rows: int, channels: int) -> Tensor:
    """Memory for digits: int8 [planes of 64 channels, 3, rows and what the kernel reads past them, 64]."""
    # Planes an odd number of cache lines apart don't compete for the same cache sets.
    return _empty(-(-channels // LANES), 3, (rows + _SLACK) | 1, LANES, dtype=torch.int8)


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


class Weights:
    """Weights [outputs, taps, channels] in the kernel's layout."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        outputs, taps, channels = weight.shape
        padded = torch.zeros(outputs + -outputs % _TILE, taps, channels + -channels % LANES, dtype=torch.float32)
        padded[:outputs, :, :channels] = weight
        digits, scales = _row_digits(padded.flatten(1))
        steps = digits[:, :, : len(padded)].reshape(-1, 3, len(padded) // _TILE, _TILE, _TILE, 4)
        self.digits = _empty(steps.numel(), dtype=torch.int8)
        place = 0
        for chunk in steps.split(CHUNK):
            # [panels of 16 outputs, steps, 3, 16 fours of channels, 16 outputs, 4]
            self.digits[place : place + chunk.numel()] = chunk.permute(2, 0, 1, 4, 3, 5).flatten()
            place += chunk.numel()
        self.scales, self.bias = scales, None if bias is None else bias.contiguous()
        self.outputs, self.taps, self.channels = outputs, taps, channels
        self.activation = NO_ACTIVATION

    def times(
        self,
        digits: Tensor,
        scales: Tensor,
        sizes: tuple[int, int, int, int],
        offsets: Tensor,
        blocks: int = 1,
        into: Tensor | None = None,
        add: bool = False,
    ) -> Tensor:
        """Digits [planes, 3, pixels and slack, 64] of images -> [images, height, width, outputs].

        ``sizes``: height and width of the images, and of the wanted output. With more than one block, of 64
        outputs each, the result is [blocks, images, height, width, 64]. ``into``: contiguous memory of the result's
        shape to write to or, with ``add``, to add to.
        """
        pixels = len(scales) * sizes[2] * sizes[3]
        steps = (self.outputs, LANES) if blocks == 1 else (LANES, pixels * LANES)
        shape = (len(scales), *sizes[2:], self.outputs // blocks)
        out = _empty(*(shape if blocks == 1 else (blocks, *shape))) if into is None else into
        required_library().sliced_product(
            *(digits.data_ptr(), digits.stride(1), self.channels, len(scales) * sizes[0] * sizes[1]),
            *(scales.data_ptr(), *sizes, self.taps, offsets.data_ptr(), self.digits.data_ptr()),
            *(self.scales.data_ptr(), self.outputs, _pointer(self.bias), out.data_ptr(), *steps, self.activation),
            *(int(add), torch.get_num_threads()),
        )
        return out


def _row_digits(x: Tensor) -> tuple[Tensor, Tensor]:
    """float32 [rows, channels] -> digits int8 [planes, 3, rows and slack, 64], scales [rows]."""
    check(x)
    digits, scales = room(*x.shape), torch.empty(len(x), dtype=torch.float32)
    required_library().sliced_rows(
        *(x.data_ptr(), *x.shape, digits.data_ptr(), digits.stride(1), scales.data_ptr(), torch.get_num_threads())
    )
    return digits, scales


class SlicedLinear(nn.Module):
    """A linear layer on float32 [..., in] -> [..., out]."""

    def __init__(self, layer: nn.Linear):
        super().__init__()
        self.weights = Weights(layer.weight.detach()[:, None], None if layer.bias is None else layer.bias.detach())
        self.offsets, self.out_features = torch.zeros(1, dtype=torch.int64), layer.out_features

    def fuse(self, activation: nn.Module) -> bool:
        """Take over an activation that follows, if the kernel has it."""
        self.weights.activation = activation_code(activation)
        return self.weights.activation != NO_ACTIVATION

    def forward(self, x: Tensor) -> Tensor:
        return self._times(x, 1).view(*x.shape[:-1], self.out_features)

    def by_head(self, x: Tensor) -> Tensor:
        """[N, tokens, in] -> [heads, N, tokens, 64]: each head's results side by side, as attention reads them."""
        heads = self.out_features // LANES
        return self._times(x, heads).view(heads, *x.shape[:-1], LANES)

    def _times(self, x: Tensor, blocks: int) -> Tensor:
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        return self.weights.times(*_row_digits(rows), (1, 1, 1, 1), self.offsets, blocks)


def sliced_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query key^T / sqrt(d)) value: [N, heads, tokens, d] each, with any strides -> [N, queries, heads * d].

    d is one of :data:`HEADS`; queries may be fewer than keys, which are at most :data:`MOST_TOKENS`.
    """
    parts = readable_heads(query, key, value)
    images, heads, queries, channels = query.shape
    tokens, threads = key.shape[2], torch.get_num_threads()
    out = _empty(images, queries, heads * channels)
    memory = torch.empty(required_library().sliced_attention_room(tokens) * threads, dtype=torch.int8)
    required_library().sliced_attention(
        *(ctypes.byref(Heads(part)) for part in parts),
        *(images, heads, queries, tokens, channels, out.data_ptr(), memory.data_ptr(), threads),
    )
    return out


class SlicedConv2d(nn.Module):
    """A convolution of stride 1 on float32 [N, in, H, W] -> [N, out, H', W'], channels last.

    Images with their border form one long list of pixels: each tap of the kernel reads the same list at an offset.
    Values past the end of a line are computed too, and discarded.
    """

    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        assert not isinstance(layer.padding, str), "numbers: see sliced"
        self.kernel, self.padding = layer.kernel_size, layer.padding
        weight = layer.weight.detach().flatten(2).transpose(1, 2)
        self.weights = Weights(weight, None if layer.bias is None else layer.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        if x.stride(1) != 1:
            x = x.contiguous(memory_format=torch.channels_last)
        down, across = self.padding
        height, width = x.shape[2:]
        rows, columns = height + 2 * down, width + 2 * across
        taps = [row * columns + column for row in range(self.kernel[0]) for column in range(self.kernel[1])]
        digits, scales = _image_digits(x, down, across, taps[-1])
        sizes = (rows, columns, rows - self.kernel[0] + 1, columns - self.kernel[1] + 1)
        return self.weights.times(digits, scales, sizes, torch.tensor(taps)).permute(0, 3, 1, 2)


def _image_digits(x: Tensor, down: int, across: int, furthest: int) -> tuple[Tensor, Tensor]:
    """float32 [N, C, H, W], channels last -> digits of all pixels, border and slack included; scales [N]."""
    check(x)
    count, channels, height, width = x.shape
    digits = room(count * (height + 2 * down) * (width + 2 * across) + furthest, channels)
    scales, tops = (torch.empty(size, dtype=torch.float32) for size in (count, count * height))
    required_library().sliced_images(
        *(x.data_ptr(), count, height, width, channels, x.stride(0), x.stride(2), x.stride(3), down, across),
        *(digits.data_ptr(), digits.stride(1), scales.data_ptr(), tops.data_ptr(), torch.get_num_threads()),
    )
    return digits, scales


class SlicedStem(nn.Module):
    """A convolution with a stride on images of few channels, float32 [N, in, H, W] -> [N, out, H', W'], channels last.

    The pixels of each ``stride`` x ``stride`` square become channels, and the squares side by side in a window become
    one long line of memory. The rest is a convolution with stride 1 and a kernel one square wide.
    """

    def __init__(self, layer: nn.Conv2d):
        super().__init__()
        assert not isinstance(layer.padding, str), "numbers: see sliced"
        self.kernel, self.padding, self.stride = layer.kernel_size, layer.padding, layer.stride[0]
        self.squares = [-(-size // self.stride) for size in self.kernel]
        outputs, inputs = layer.weight.shape[:2]
        down, across = (squares * self.stride for squares in self.squares)
        weight = F.pad(layer.weight.detach(), (0, across - self.kernel[1], 0, down - self.kernel[0]))
        weight = weight.view(outputs, inputs, self.squares[0], self.stride, self.squares[1], self.stride)
        weight = weight.permute(0, 4, 3, 5, 1, 2).reshape(outputs, -1, self.squares[0], 1)
        plain = nn.Conv2d(weight.shape[1], outputs, (self.squares[0], 1), device="meta")
        plain.weight, plain.bias = nn.Parameter(weight), layer.bias
        self.convolution = SlicedConv2d(plain)

    def forward(self, x: Tensor) -> Tensor:
        count, channels, *lengths = x.shape
        sizes = [
            (length + 2 * padding - kernel) // self.stride + 1
            for length, padding, kernel in zip(lengths, self.padding, self.kernel, strict=True)
        ]
        rows, columns = (size - 1 + squares for size, squares in zip(sizes, self.squares, strict=True))
        (down, across), (height, width) = self.padding, lengths
        after = (columns * self.stride - width - across, rows * self.stride - height - down)
        x = F.pad(x, (across, after[0], down, after[1])).view(count, channels, rows, self.stride, columns, self.stride)
        squares = x.permute(0, 2, 4, 3, 5, 1).contiguous()
        line = squares[0, 0, 0].numel()
        shape = (count, self.squares[1] * line, rows, sizes[1])
        return self.convolution(squares.as_strided(shape, (rows * columns * line, 1, columns * line, line)))
