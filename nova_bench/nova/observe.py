"""Interface for observers of a generation: a profiler, a test, a plot of activations."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from torch import Tensor

_NOTHING = nullcontext()


class Watcher(Protocol):
    """Anything that can watch a generation: an :class:`Observer` or an object with its methods."""

    def region(self, name: str) -> AbstractContextManager[None]: ...
    def record(self, name: str, value: Tensor) -> None: ...


class Observer:
    """Does nothing; subclass to attribute time or to look at tensors.

    ``region`` names are ``text``, ``temporal``, ``spatial``, ``head`` and ``vae``; they do not nest. A profiler on an
    asynchronous device synchronizes or records events in its own ``region``.
    """

    def region(self, name: str) -> AbstractContextManager[None]:
        """A context manager around one stretch of work of part ``name``."""
        return _NOTHING

    def record(self, name: str, value: Tensor) -> None:
        """Receive an intermediate result; read or copy it, but don't change it.

        In order of appearance: ``text_embeds`` [G0*B, L, E] and ``condition`` [G*B, L', D]; per frame ``temporal``
        (after the last LayerNorm) and ``mixed`` [G*B, M, D]; once a video ``order`` [B, N]; per spatial step
        ``spatial`` [G*B, n, D]; per diffusion step ``head`` [G, B, n, P]; per frame ``latent`` [B, C, h, w]. Training
        records ``mask`` [B*T, N] (1: masked), ``noise`` [4*B*T, N, P] and ``timestep_index`` [4*B*T, N].
        """
