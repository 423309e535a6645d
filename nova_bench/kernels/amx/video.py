"""Convolutions of videos by sliced products: see :mod:`nova_bench.kernels.amx.layers`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nova_bench.kernels.amx.layers import LANES, LARGEST, Weights, room
from nova_bench.kernels.amx.library import required_library
from nova_bench.kernels.arguments import check

_HALF = LANES // 2  # channels of a pixel that share a line of digits with the pixel on its right
_SMALLEST = 16  # channels


class SlicedVideoConvolution:
    """A (3, 3, 3) or (1, 3, 3) convolution of a video with channels last and padded in time; height and width stay.

    Works on a band of rows at a time, and there on one frame after the other, so the digits of a frame are made once
    and stay in the cache for all results that need them. All of a video has one scale.
    """

    def __init__(self, weight: Tensor, bias: Tensor):
        """``weight`` [C', C, 1 or 3, 3, 3], ``bias`` [C']."""
        self.band_bytes = 2**23  # of the digits that a result needs, in bands of rows that large
        outputs, inputs, self.frames = weight.shape[:3]
        self.outputs, self.inputs, self.paired = outputs, inputs, inputs <= _HALF
        self.columns: tuple[int, ...] = (0, 1, 2)
        # [C', frames, 3 rows, 3 columns, C]
        taps = weight.detach().permute(0, 2, 3, 4, 1)
        if self.paired:
            pairs = taps.new_zeros(outputs, self.frames, 3, 2, 2, _HALF)
            pairs[:, :, :, 0, :, :inputs] = taps[:, :, :, :2]
            pairs[:, :, :, 1, 0, :inputs] = taps[:, :, :, 2]
            taps, self.columns = pairs.flatten(4), (0, 2)
        self.weights = Weights(taps.reshape(outputs, -1, taps.shape[-1]), bias.detach())

    def __call__(self, x: Tensor, out: Tensor, add: bool) -> None:
        """x [1, C, T + 0 or 2, H, W] -> written to ``out`` [1, C', T, H, W] or added to it, both channels last."""
        check(x)
        check(out)
        assert out.is_contiguous(memory_format=torch.channels_last_3d), "the kernel writes one pixel after the other"
        (height, width), threads = x.shape[3:], torch.get_num_threads()
        source, target = x[0].permute(1, 2, 3, 0).contiguous(), out[0].permute(1, 2, 3, 0)
        # As one line of numbers: several times as fast as of a video.
        most = max(abs(float(value)) for value in source.view(-1).aminmax())
        scale = torch.tensor([most / LARGEST])
        line = (width + 2) * -(-self.weights.channels // LANES) * 3 * LANES * self.frames
        rows = min(height, max(8, self.band_bytes // line))
        frame = (rows + 2) * (width + 2)  # pixels of digits, border included
        digits = room(self.frames * frame + 3 * (width + 2), self.weights.channels)
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            for index, pixels in enumerate(source):
                place = index % self.frames * frame
                required_library().sliced_frame(
                    *(pixels.data_ptr(), height, width, self.inputs, top, bottom, most, int(self.paired)),
                    *(digits[0, 0, place].data_ptr(), digits.stride(1), threads),
                )
                if (first := index - self.frames + 1) < 0:
                    continue
                offsets = torch.tensor(
                    [
                        (first + later) % self.frames * frame + row * (width + 2) + column
                        for later in range(self.frames)
                        for row in range(3)
                        for column in self.columns
                    ]
                )
                sizes = (bottom - top + 2, width + 2, bottom - top, width)
                self.weights.times(digits, scale, sizes, offsets, into=target[first, top:bottom], add=add)


def sliced_video(layer: nn.Conv3d) -> SlicedVideoConvolution | None:
    """The equivalent sliced convolution, if there is one and it is faster."""
    outputs, inputs, frames, *sides = layer.weight.shape
    fits = layer.weight.dtype == torch.float32 and frames in (1, 3) and sides == [3, 3]
    if not fits or min(outputs, inputs) < _SMALLEST or layer.bias is None:
        return None
    return SlicedVideoConvolution(layer.weight, layer.bias)
