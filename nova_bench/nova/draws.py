"""Every random number a generation uses, in the official order, from one generator or one per sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nova_bench.nova.errors import InputError


class Draws:
    """Batched float32 draws on ``device``.

    With one ``torch.Generator`` (or None: torch's global one) a draw for the batch is one tensor [B, ...], exactly as
    the official pipeline draws it. With a sequence of B generators every sample draws its own [1, ...] tensor, so a
    sample's numbers do not depend on the batch it is in. Draws are made on the generator's device and then moved.
    They are float32 for every model type, so the token order is well defined and a seed means one video.
    """

    def __init__(self, generator: torch.Generator | Sequence[torch.Generator] | None, batch: int, device: torch.device):
        self.batch = batch
        self.device = torch.device(device)
        self._own = isinstance(generator, Sequence)
        if isinstance(generator, Sequence):
            if len(generator) != batch:
                raise InputError(f"{len(generator)} generators for {batch} samples: give one, or one per sample")
            self.generators: list[torch.Generator | None] = list(generator)
        else:
            self.generators = [generator]
        for item in self.generators:
            if item is not None and not isinstance(item, torch.Generator):
                raise InputError(f"generator: expected torch.Generator, not {type(item).__name__}")

    @property
    def per_sample(self) -> bool:
        """Whether each sample has its own generator (more than one sample)."""
        return len(self.generators) > 1

    def uniform(self, *shape: int) -> Tensor:
        """[B, *shape] uniform on [0, 1)."""
        return self._draw(torch.rand, shape)

    def normal(self, *shape: int) -> Tensor:
        """[B, *shape] standard normal."""
        return self._draw(torch.randn, shape)

    def normals(self, count: int, *shape: int) -> Tensor:
        """[count, B, *shape] standard normal: like ``count`` calls of :meth:`normal` one after the other.

        Only generators on a GPU that belong to one sample each draw all at once: the official order is that of single
        draws, but a step with fresh noise would launch a kernel for each of them and each sample.
        """
        if not self._own or any(generator is None or generator.device.type == "cpu" for generator in self.generators):
            return torch.stack([self.normal(*shape) for _ in range(count)])
        numbers = torch.empty(self.batch, count, *shape, device=self.device)
        for of_sample, generator in zip(numbers, self.generators, strict=True):
            of_sample.normal_(generator=generator)
        return numbers.transpose(0, 1)

    def _draw(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        rows = self.batch if len(self.generators) == 1 else 1
        out = []
        for generator in self.generators:
            where = self.device if generator is None else generator.device
            out.append(draw((rows, *shape), generator=generator, device=where).to(self.device))
        return out[0] if len(out) == 1 else torch.cat(out)
