"""Convolutions of videos by Winograd's minimal filtering within frames: see :mod:`nova_bench.kernels.simd.winograd`.

What the taps along time read is summed among the products, so that a 3 x 3 x 3 convolution takes 5.33 products per
result and pair of channels instead of 27, and each frame is transformed once.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from nova_bench.kernels.arguments import check
from nova_bench.kernels.simd.library import library, required_library
from nova_bench.kernels.simd.memory import room
from nova_bench.kernels.simd.winograd import arranged, points_of, room_for, rounded

_STRIP = 8 * 50  # pixels that are prepared together, as in winograd_video.c
_SMALLEST = 16  # input channels; outputs may be few, since reading the input then costs most
_TILES = 48  # at most in one go: the weights of three taps stay in the cache beside their points


class WinogradVideoConvolution:
    """A (3, 3, 3) or (1, 3, 3) convolution of a video with channels last and padded in time; height and width stay."""

    def __init__(self, weight: Tensor, bias: Tensor):
        """``weight`` [C', C, 1 or 3, 3, 3], ``bias`` [C']."""
        self.outputs, self.inputs, self.frames = weight.shape[:3]
        self._filters = weight.detach()
        self.bias = bias.detach().contiguous()

    @cached_property
    def weight(self) -> Tensor:
        """Made when first needed: it takes seven times the filters' memory, and text to video calls no encoder."""
        return arranged(self._filters.transpose(1, 2).flatten(1, 2))

    def __call__(self, x: Tensor, out: Tensor, add: bool) -> None:
        """x [1, C, T + 0 or 2, H, W] -> written to ``out`` [1, C', T, H, W] or added to it, both channels last."""
        self._convolve(x, out, add)

    def of_doubled(self, x: Tensor, out: Tensor) -> None:
        """The same where each pixel of x [1, C, T + 0 or 2, H / 2, W / 2] counts as 2 x 2 (nearest neighbour)."""
        self._convolve(x, out, add=False, doubled=True)

    def after_norm(self, x: Tensor, scale: Tensor, shift: Tensor, out: Tensor, add: bool) -> None:
        """The same of SiLU(x * scale + shift), for x [1, C, T, H, W] that isn't padded; ``scale``, ``shift`` [C].

        The activation is computed for a few pixels at a time, which stay in the cache until they are convolved.
        """
        scale, shift = scale.contiguous(), shift.contiguous()
        self._convolve(x, out, add, front=self.frames - 1, norm=(scale.data_ptr(), shift.data_ptr()))

    def _convolve(
        self,
        x: Tensor,
        out: Tensor,
        add: bool,
        *,
        doubled: bool = False,
        front: int = 0,
        norm: tuple[int, int] | tuple[None, None] = (None, None),
    ) -> None:
        check(x)
        check(out)
        assert out.is_contiguous(memory_format=torch.channels_last_3d), "the kernel writes one pixel after the other"
        x, threads = x.contiguous(memory_format=torch.channels_last_3d), torch.get_num_threads()
        together, share = room_for(points_of(3, 3), (*[self.inputs] * self.frames, self.outputs), most=_TILES)
        share += _STRIP * rounded(self.inputs)
        required_library().winograd_video(
            *(x.data_ptr(), out.shape[2], self.frames, front, *out.shape[3:], int(doubled), self.inputs, *norm),
            *(
                self.weight.data_ptr(),
                self.bias.data_ptr(),
                self.outputs,
                int(add),
                out.data_ptr(),
                together,
                room(threads * share),
            ),
            *(share, threads),
        )


def winograd_video(layer: nn.Conv3d) -> WinogradVideoConvolution | None:
    """The equivalent convolution, if there is one."""
    _, inputs, frames, *sides = layer.weight.shape
    fits = layer.weight.dtype == torch.float32 and frames in (1, 3) and sides == [3, 3]
    if not fits or inputs < _SMALLEST or layer.bias is None or library() is None:
        return None
    return WinogradVideoConvolution(layer.weight, layer.bias)
