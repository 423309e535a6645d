"""CUDA graphs of the diffusion loop: without them, launching its thousand tiny kernels is the bottleneck."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor, nn

Loop = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of z, draws and the text scale []."""
_TOKENS = 8  # token counts are padded to a multiple of this, so that few graphs serve all spatial steps


class _Graph:
    """One captured loop with its input and output buffers."""

    def __init__(self, loop: Loop, z: Tensor, draws: Tensor, pool: Any):
        self.z, self.draws, self.scale = z.clone(), draws.clone(), torch.ones((), device=z.device)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # kernels choose their algorithms and workspaces before they are captured
            loop(self.z, self.draws, self.scale)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph, self.loop = torch.cuda.CUDAGraph(), loop  # the loop keeps the tensors it reads alive
        with torch.cuda.graph(self.graph, pool=pool):
            self.out = loop(self.z, self.draws, self.scale)

    def __call__(self, z: Tensor, draws: Tensor, scale: float) -> Tensor:
        self.z.copy_(z)
        self.draws.copy_(draws)
        self.scale.fill_(scale)
        self.graph.replay()
        return self.out.clone()


class GraphCache:
    """Captured loops, keyed by everything they depend on; a pipeline keeps one cache for all calls.

    The first call with new settings captures (its time is warm-up), later ones replay. Random numbers are drawn
    outside. Networks that were moved, cast, changed or replaced get new graphs.
    """

    def __init__(self, limit: int = 64):
        self.limit = limit
        self._graphs: dict[Hashable, _Graph] = {}
        self._pool: Any = None

    @staticmethod
    def usable(z: Tensor) -> bool:
        """Whether graphs can be captured (only on CUDA)."""
        return z.is_cuda

    def run(
        self, loop: Loop, constants: Hashable, network: nn.Module, z: Tensor, draws: Tensor, scale: float
    ) -> Tensor:
        """``loop(z, draws, scale)`` for z [R, n, D] and draws [K, B, n, P], whose tokens don't influence one another.

        The scale is an input, so that one which rises from step to step needs no graph of its own each time.
        """
        count = z.shape[1]
        z, draws = _pad(z), _pad(draws)
        weights = tuple((parameter.data_ptr(), parameter._version) for parameter in network.parameters())
        key = (constants, weights, z.dtype, z.device, z.shape, draws.shape)
        if key not in self._graphs:
            if len(self._graphs) >= self.limit:
                self._graphs.clear()
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            self._graphs[key] = _Graph(loop, z, draws, self._pool)
        return self._graphs[key](z, draws, scale)[:, :count]


def _pad(x: Tensor) -> Tensor:
    """Zero tokens (second last dimension) up to the next multiple."""
    return nn.functional.pad(x, (0, 0, 0, -x.shape[-2] % _TOKENS))
