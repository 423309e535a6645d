"""RAFT optical flow (Teed and Deng, ECCV 2020, arXiv 2003.12039), the large model, for inference."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nova_bench.kernels.simd.gru import reset_hidden, update_hidden
from nova_bench.networks.correlation import bytes_kept, correlation, position_grid
from nova_bench.networks.norm import InstanceNorm, folded, normalized

ITERATIONS = 20
STRIDE = 8
_HIDDEN = _CONTEXT = 128
_FEATURES = 256
_RADIUS = 4


def bytes_per_frame(height: int, width: int) -> float:
    """Memory to encode one frame of that size, at half resolution."""
    return 4 * height * width * 100


def bytes_per_pair(device: str, height: int, width: int) -> float:
    """Memory for one pair of frames of that size: correlation, lookups, updates and an encoder."""
    coarse = height // STRIDE, width // STRIDE
    return bytes_kept(device, *coarse, ITERATIONS) + 4 * coarse[0] * coarse[1] * 6000 + bytes_per_frame(height, width)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut, which is also strided and normalized if ``stride`` is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: type[nn.Module]):
        super().__init__()
        self.conv1: nn.Module = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        self.conv2: nn.Module = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm1, self.norm2 = norm(outputs), norm(outputs)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride), norm(outputs))

    def settle(self) -> None:
        """Fold batch norms into the convolutions before them."""
        self.conv1, self.norm1 = folded(self.conv1, self.norm1)
        self.conv2, self.norm2 = folded(self.conv2, self.norm2)
        if self.downsample is not None:
            self.downsample = nn.Sequential(*folded(*self.downsample))

    def forward(self, x: Tensor) -> Tensor:
        y = normalized(self.norm1, self.conv1(x))
        y = normalized(self.norm2, self.conv2(y))
        return y.add_(self._shortcut(x)).relu_()

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.downsample is None:
            return x
        convolution, norm = self.downsample
        return normalized(norm, convolution(x), relu=False)


class Encoder(nn.Module):
    """[N, 3, H, W] -> [N, outputs, H / 8, W / 8]."""

    def __init__(self, outputs: int, norm: type[nn.Module]):
        super().__init__()
        self.conv1: nn.Module = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.norm1 = norm(64)
        self.layer1 = nn.Sequential(ResidualBlock(64, 64, 1, norm), ResidualBlock(64, 64, 1, norm))
        self.layer2 = nn.Sequential(ResidualBlock(64, 96, 2, norm), ResidualBlock(96, 96, 1, norm))
        self.layer3 = nn.Sequential(ResidualBlock(96, 128, 2, norm), ResidualBlock(128, 128, 1, norm))
        self.conv2 = nn.Conv2d(128, outputs, 1)

    def settle(self) -> None:
        """Fold a batch norm into the convolution before it."""
        self.conv1, self.norm1 = folded(self.conv1, self.norm1)

    def forward(self, x: Tensor) -> Tensor:
        x = normalized(self.norm1, self.conv1(x.contiguous(memory_format=torch.channels_last)))
        return self.conv2(self.layer3(self.layer2(self.layer1(x))))


class MotionEncoder(nn.Module):
    """Correlation samples and flow -> 128 channels, the last two of them the flow itself."""

    def __init__(self, samples: int):
        super().__init__()
        self.convc1 = nn.Conv2d(samples, 256, 1)
        self.convc2 = nn.Conv2d(256, 192, 3, padding=1)
        self.convf1 = nn.Conv2d(2, 128, 7, padding=3)
        self.convf2 = nn.Conv2d(128, 64, 3, padding=1)
        self.conv = nn.Conv2d(256, 126, 3, padding=1)

    def settle(self) -> None:
        """Let activations follow their convolutions in sequences, where the two can become one layer."""
        for name, convolution in list(self.named_children()):
            setattr(self, name, nn.Sequential(convolution, nn.ReLU(inplace=True)))

    def forward(self, flow: Tensor, samples: Tensor) -> Tensor:
        # Channels last like the rest: with mixed layouts, everything after this would be strided and copied.
        flow = flow.contiguous(memory_format=torch.channels_last)
        samples = self.convc2(self.convc1(samples))
        motion = self.convf2(self.convf1(flow))
        return torch.cat([self.conv(torch.cat([samples, motion], dim=1)), flow], dim=1)


class HalfGRU(nn.Module):
    """One half of the convolutional GRU, along rows (1 x 5) or along columns (5 x 1).

    Its input is [context, motion]. The context stays the same in all iterations, so its share of the gates z and r and
    of the candidate is computed once and added. The order of sums differs from the official one: float32 noise only.
    """

    def __init__(self, kernel: tuple[int, int]):
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.context = nn.Conv2d(_CONTEXT, 3 * _HIDDEN, kernel, padding=padding)
        self.gates = nn.Conv2d(2 * _HIDDEN, 2 * _HIDDEN, kernel, padding=padding, bias=False)
        self.candidate = nn.Conv2d(2 * _HIDDEN, _HIDDEN, kernel, padding=padding, bias=False)

    def forward(self, inputs: Tensor, reset: Tensor, share: Tensor) -> None:
        """Replace the hidden state in ``inputs``, [hidden, motion]; ``share`` is ``self.context`` of the context.

        ``reset`` has the shape of ``inputs`` and holds the same motion; its first half is overwritten.
        """
        hidden = inputs[:, :_HIDDEN]
        of_gates, of_candidate = share.split([2 * _HIDDEN, _HIDDEN], dim=1)
        z = reset_hidden(self.gates(inputs), of_gates, hidden, out=reset[:, :_HIDDEN])
        update_hidden(hidden, z, self.candidate(reset), of_candidate)


class SeparableGRU(nn.Module):
    """A convolutional GRU in two halves. Official files have its convolutions of [hidden, context, motion] by gate."""

    half1: HalfGRU
    half2: HalfGRU

    def __init__(self):
        super().__init__()
        channels = 2 * _HIDDEN + _CONTEXT
        for half, kernel, padding in ((1, (1, 5), (0, 2)), (2, (5, 1), (2, 0))):
            for gate in "zrq":
                self.add_module(f"conv{gate}{half}", nn.Conv2d(channels, _HIDDEN, kernel, padding=padding))

    def settle(self) -> None:
        """Split the official convolutions into the constant and the changing part."""
        for half in "12":
            convs = [self._take_out(f"conv{gate}{half}") for gate in "zrq"]
            z, r, q = (conv.weight.data.split([_HIDDEN, _CONTEXT, _HIDDEN], dim=1) for conv in convs)
            rows, columns = convs[0].kernel_size
            parts = HalfGRU((rows, columns))
            state = {
                "context.weight": torch.cat([z[1], r[1], q[1]]),
                "context.bias": torch.cat([bias.data for conv in convs if (bias := conv.bias) is not None]),
                "gates.weight": torch.cat([torch.cat([gate[0], gate[2]], dim=1) for gate in (z, r)]),
                "candidate.weight": torch.cat([q[0], q[2]], dim=1),
            }
            parts.load_state_dict(state, assign=True)
            self.add_module(f"half{half}", parts)

    def _take_out(self, name: str) -> nn.Conv2d:
        conv = self._modules.pop(name)
        assert isinstance(conv, nn.Conv2d), name
        return conv

    def context_shares(self, context: Tensor) -> list[Tensor]:
        """The context's contribution in each half."""
        return [half.context(context) for half in (self.half1, self.half2)]

    def forward(self, hidden: Tensor, motion: Tensor, shares: list[Tensor]) -> Tensor:
        inputs = torch.cat([hidden, motion], dim=1)
        reset = inputs.clone()
        for half, share in zip((self.half1, self.half2), shares, strict=True):
            half(inputs, reset, share)
        return inputs[:, :_HIDDEN]


class FlowHead(nn.Module):
    """Hidden state -> change of the flow, [N, 2, h, w]."""

    def __init__(self):
        super().__init__()
        self.conv1: nn.Module = nn.Conv2d(_HIDDEN, 256, 3, padding=1)
        self.conv2 = nn.Conv2d(256, 2, 3, padding=1)

    def settle(self) -> None:
        """As in :class:`MotionEncoder`."""
        self.conv1 = nn.Sequential(self.conv1, nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class UpdateBlock(nn.Module):
    """The recurrent part. ``mask`` gives the weights that upsample the flow."""

    def __init__(self, samples: int):
        super().__init__()
        self.encoder = MotionEncoder(samples)
        self.gru = SeparableGRU()
        self.flow_head = FlowHead()
        self.mask = nn.Sequential(nn.Conv2d(_HIDDEN, 256, 3, padding=1), nn.ReLU(), nn.Conv2d(256, 9 * STRIDE**2, 1))


class RAFT(nn.Module):
    """RAFT in three steps, so that each frame is encoded once, however many pairs it is part of.

    Frames are float32 [N, 3, H, W] in 0-255, sides multiples of 8. Unlike in the official code, the flow is upsampled
    only after the last iteration; the others are never used.
    """

    def __init__(self):
        super().__init__()
        self.fnet = Encoder(_FEATURES, InstanceNorm)
        self.cnet = Encoder(_HIDDEN + _CONTEXT, nn.BatchNorm2d)
        self.update_block = UpdateBlock(4 * (2 * _RADIUS + 1) ** 2)

    def features(self, frames: Tensor) -> Tensor:
        """Features that are matched: [N, 256, H / 8, W / 8]."""
        return self.fnet(2 * (frames / 255.0) - 1.0)

    def context(self, frames: Tensor) -> Tensor:
        """First hidden state and context of a pair's first frame, before their activations: [N, 256, H / 8, W / 8]."""
        return self.cnet(2 * (frames / 255.0) - 1.0)

    def low_resolution(
        self, first: Tensor, second: Tensor, context: Tensor, iterations: int = ITERATIONS
    ) -> tuple[Tensor, Tensor]:
        """Flow [N, 2, H / 8, W / 8] in units of 8 pixels, and the hidden state it was computed from."""
        batch, _, height, width = first.shape
        correlated = correlation(first, second, iterations)
        hidden, constant = context.split([_HIDDEN, _CONTEXT], dim=1)
        hidden, shares = torch.tanh(hidden), self.update_block.gru.context_shares(F.relu(constant))
        start = position_grid(batch, height, width, first.device)
        positions = start
        for _ in range(iterations):
            motion = self.update_block.encoder(positions - start, correlated.samples(positions, _RADIUS))
            hidden = self.update_block.gru(hidden, motion, shares)
            positions = positions + self.update_block.flow_head(hidden)
        return positions - start, hidden

    def flow(self, first: Tensor, second: Tensor, context: Tensor, iterations: int = ITERATIONS) -> Tensor:
        """Flow in pixels, [N, 2, H, W] (x, y), from features of both frames and the context of the first."""
        low, hidden = self.low_resolution(first, second, context, iterations)
        return _upsample(low, 0.25 * self.update_block.mask(hidden))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Flow [N, 2, H, W] in pixels from ``first`` to ``second``."""
        return self.flow(self.features(first), self.features(second), self.context(first))

    @staticmethod
    def official_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """An official file's tensors by this module's keys.

        Data-parallel training prefixes keys with ``module.``; the shortcut's norm is listed under two names.
        """
        named = {key.removeprefix("module."): value for key, value in state.items()}
        return {key: value for key, value in named.items() if ".norm3." not in key}


def _upsample(flow: Tensor, mask: Tensor) -> Tensor:
    """Each fine position is a convex combination of its coarse 3 x 3 neighbourhood (equation 6.3 of the paper)."""
    batch, _, height, width = flow.shape
    weights = mask.view(batch, 1, 9, STRIDE, STRIDE, height, width).softmax(dim=2)
    neighbours = F.unfold(STRIDE * flow, 3, padding=1).view(batch, 2, 9, 1, 1, height, width)
    fine = (weights * neighbours).sum(dim=2)
    return fine.permute(0, 1, 4, 2, 5, 3).reshape(batch, 2, STRIDE * height, STRIDE * width)
