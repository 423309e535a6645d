"""The diffusion loop on the tokens of one spatial step: from noise to latent patches (Section 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nova_bench.nova.diffusion_mlp import DiffusionMLP
from nova_bench.nova.graphs import GraphCache
from nova_bench.nova.guidance import Guidance
from nova_bench.nova.observe import Watcher

# Values of layer statistics made at once (over diffusion steps): enough to keep matrix products large, few enough
# to stay in cache on a CPU and well below the weights on a GPU.
_STATISTICS_BUDGET = {"cpu": 2**21, "cuda": 2**27}


class Denoiser:
    """Samples patches with the diffusion MLP. Built once per call: timesteps and joined layers are tabulated here.

    ``scheduler`` has its timesteps set. Everything a step needs besides the noisy patches (the condition, its
    projection, the layers' statistics, the fresh noise) is known before the loop and is computed before it. With
    ``graphs`` the loop is replayed as one CUDA graph.
    """

    def __init__(
        self,
        decoder: DiffusionMLP,
        scheduler: Any,
        guidance: Guidance,
        observer: Watcher,
        graphs: GraphCache | None = None,
    ):
        self.decoder, self.scheduler, self.guidance, self.observer = decoder, scheduler, guidance, observer
        values = scheduler.timestep_values
        self.needs_noise = [scheduler.needs_noise(i) for i in range(len(values))]
        guided = [guidance.enabled and not value < guidance.truncation for value in values]
        # Once truncation begins, it holds for the rest of the loop.
        self.guided_steps = guided.index(False) if False in guided else len(guided)
        self.steps = len(values)
        self.layer = decoder.statistics_layer()
        self.time = decoder.time_cond_embed.timesteps(scheduler.timesteps.to(decoder.head.weight.device))
        self.graphs = graphs
        self.constants = (tuple(values), tuple(sorted(map(str, scheduler.config.items()))), guidance)

    @property
    def count(self) -> int:
        """Draws of a spatial step: the initial noise, and fresh noise for each diffusion step that adds some (DDPM)."""
        return 1 + sum(self.needs_noise)

    @property
    def reads_all(self) -> bool:
        """Whether the noise of all tokens is read, not that of the predicted ones alone: renormalization does."""
        return self.guidance.renorm < 1 and self.guided_steps > 0

    def __call__(self, z: Tensor, noise: Tensor, predicted: slice, scale: float) -> Tensor:
        """Features z [G*B, n, D] of the ``predicted`` tokens and :attr:`count` draws -> their patches [B, n, P].

        ``noise`` is [count, B, n, P], or [count, B, N, P] in prediction order if it :attr:`reads_all`; ``scale`` is the
        text guidance of this spatial step.
        """
        if self.reads_all:
            outer = torch.cat((noise[:, :, : predicted.start], noise[:, :, predicted.stop :]), 2)
            return self._loop(z, noise[:, :, predicted].contiguous(), outer, scale)
        inner = noise.contiguous()
        if self.graphs is None or not self.graphs.usable(z):
            return self._loop(z, inner, None, scale)

        def loop(z: Tensor, inner: Tensor, scale: Tensor) -> Tensor:
            return self._loop(z, inner, None, scale)

        return self.graphs.run(loop, self.constants, self.decoder, z, inner, scale)

    def _loop(self, z: Tensor, draws: Tensor, outer: Tensor | None, scale: float | Tensor) -> Tensor:
        """Run the chain on the predicted tokens, with their initial and fresh draws [1 + fresh, B, n, P].

        ``outer`` are the draws of all other tokens; they are tracked only because renormalization uses their norms.
        """
        condition = self.decoder.time_cond_embed.condition_proj(z).unflatten(0, (-1, draws.shape[1]))
        x, rest, used = draws[0], None if outer is None else outer[0], 0
        for step, statistics in enumerate(self._statistics(condition)):
            used += self.needs_noise[step]
            out = self.decoder.predict(x, statistics)
            self.observer.record("head", out)
            if step < self.guided_steps:
                out, moved = self.guidance.combine(out, scale, rest)
                if outer is not None:
                    rest = self.scheduler.step(moved, step, rest, outer[used] if self.needs_noise[step] else None)
            else:
                out = out[0]
            x = self.scheduler.step(out, step, x, draws[used] if self.needs_noise[step] else None)
        return x

    def _statistics(self, condition: Tensor) -> Iterator[Tensor]:
        """Layer statistics of each diffusion step in turn, [G or 1, B, n, (3 * depth + 2) * E]."""
        for start, stop, copies in ((0, self.guided_steps, None), (self.guided_steps, self.steps, 1)):
            rows = condition[:copies]
            values = rows.numel() * (3 * len(self.decoder.blocks) + 2)
            chunk = max(1, _STATISTICS_BUDGET.get(condition.device.type, 2**21) // max(values, 1))
            for i in range(start, stop, chunk):
                time = self.time[i : min(i + chunk, stop), None, None, None]
                yield from self.layer(F.silu(rows + time))
