"""What a convolutional GRU computes of each value, between its convolutions: one pass instead of several."""

from __future__ import annotations

import torch
from torch import Tensor

from nova_bench.kernels.arguments import pixel_step, readable
from nova_bench.kernels.simd.library import library, required_library

_LANES = 16


def reset_hidden(gates: Tensor, share: Tensor, hidden: Tensor, out: Tensor) -> Tensor:
    """Write r * ``hidden`` to ``out`` and return z, where [z, r] = sigmoid(``gates`` + ``share``).

    ``gates`` and ``share`` are [N, 2 C, H, W], the others [N, C, H, W]. ``gates`` is overwritten.
    """
    steps = [_step(tensor) for tensor in (gates, share, hidden, out)]
    pixels, channels = _pixels(hidden), hidden.shape[1]
    if None in steps or steps[0] != 2 * channels or channels % _LANES or library() is None:
        z, r = gates.add_(share).sigmoid_().chunk(2, dim=1)
        torch.mul(r, hidden, out=out)
        return z
    required_library().gru_reset(
        *(gates.data_ptr(), share.data_ptr(), steps[1], hidden.data_ptr(), steps[2], out.data_ptr(), steps[3]),
        *(pixels, channels, torch.get_num_threads()),
    )
    return gates[:, :channels]


def update_hidden(hidden: Tensor, z: Tensor, candidate: Tensor, share: Tensor) -> None:
    """Let ``hidden`` become (1 - z) * hidden + z * tanh(``candidate`` + ``share``), all [N, C, H, W].

    ``candidate`` may be overwritten.
    """
    steps = [_step(tensor) for tensor in (hidden, z, candidate, share)]
    pixels, channels = _pixels(hidden), hidden.shape[1]
    if None in steps or steps[1:3] != [2 * channels, channels] or channels % _LANES or library() is None:
        hidden.add_(candidate.add_(share).tanh_().sub_(hidden).mul_(z))
        return
    required_library().gru_update(
        *(hidden.data_ptr(), steps[0], z.data_ptr(), candidate.data_ptr(), share.data_ptr(), steps[3]),
        *(pixels, channels, torch.get_num_threads()),
    )


def _pixels(x: Tensor) -> int:
    return x.shape[0] * x.shape[2] * x.shape[3]


def _step(x: Tensor) -> int | None:
    return pixel_step(x) if readable(x) else None
