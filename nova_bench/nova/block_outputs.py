"""Magnitudes of the transformer blocks' outputs during generation (App. B)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from nova_bench.nova.errors import InputError
from nova_bench.nova.observe import Observer
from nova_bench.nova.transformer import NOVATransformer3DModel

_DIGITS = 5


class BlockOutputs(Observer):
    """Records magnitudes of every encoder block's output, per sample and frame, while it is entered.

    A frame's values cover all calls that generate it (the spatial encoder is called once per set of tokens), all tokens
    and all guidance copies. Raises :class:`InputError` for a model without temporal autoregression, which generates all
    frames together.
    """

    def __init__(self, model: NOVATransformer3DModel, batch: int):
        if not model.config.temporal_autoregressive:
            raise InputError("block outputs per frame need temporal autoregression: here all frames are made together")
        encoders = {"video_encoder": model.video_encoder, "image_encoder": model.image_encoder}
        self._blocks = {f"{name}.blocks.{i}": b for name, net in encoders.items() for i, b in enumerate(net.blocks)}
        self._batch = batch
        self._running: dict[str, _Magnitude] = {}
        self._frames: list[dict[str, _Magnitude]] = []
        self._handles: list[Any] = []

    def __enter__(self) -> BlockOutputs:
        self._handles = [block.register_forward_hook(self._hook(name)) for name, block in self._blocks.items()]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def record(self, name: str, value: Tensor) -> None:
        """Close the current frame when its latent is finished."""
        if name == "latent":
            self._frames.append(self._running)
            self._running = {}

    def of_sample(self, index: int) -> dict[str, dict[str, list[float]]]:
        """Block name -> ``rms`` and ``max`` (largest magnitude), one value per generated frame, five digits each."""
        return {
            name: {
                "rms": [_short(frame[name].rms(index)) for frame in self._frames],
                "max": [_short(float(frame[name].largest[index])) for frame in self._frames],
            }
            for name in self._blocks
        }

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def watch(module: nn.Module, inputs: Any, output: Tensor) -> None:
            seen = _Magnitude(output.detach().float(), self._batch)
            if name in self._running:
                self._running[name].add(seen)
            else:
                self._running[name] = seen

        return watch


class _Magnitude:
    """Sum of squares, count and largest magnitude of each sample of a batch.

    ``values`` are [G*B, S, D], guidance copies outermost.
    """

    def __init__(self, values: Tensor, batch: int) -> None:
        values = values.unflatten(0, (-1, batch))
        self.squares = values.square().sum((0, 2, 3))
        self.largest = values.abs().amax((0, 2, 3))
        self.count = values[:, 0].numel()

    def add(self, other: _Magnitude) -> None:
        """Include the values of another."""
        self.squares = self.squares + other.squares
        self.largest = self.largest.maximum(other.largest)
        self.count += other.count

    def rms(self, index: int) -> float:
        return (float(self.squares[index]) / self.count) ** 0.5


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
