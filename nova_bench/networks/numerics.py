"""The arithmetic that networks run with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Precision = Literal["official-cuda", "float32"]
"""Arithmetic on CUDA: as in the official code there, or float32 throughout."""


@contextmanager
def numerics(precision: Precision) -> Iterator[None]:
    """Inference mode. For ``float32`` TF32 is off; for ``official-cuda`` it is PyTorch's default (convolutions only).

    TF32 settings apply to the whole process and are restored.
    """
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32, cudnn.allow_tf32 = False, precision == "official-cuda"
    try:
        with torch.inference_mode():
            yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def runs_half(precision: Precision, device: str) -> bool:
    """Whether CLIP runs in float16: the official code does so only on CUDA."""
    return precision == "official-cuda" and device.startswith("cuda")
