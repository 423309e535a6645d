"""How arithmetic runs while a network is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Precision = Literal["official", "float32"]
"""Arithmetic on CUDA: as the official code runs, or float32 throughout."""


@contextmanager
def numerics(precision: Precision) -> Iterator[None]:
    """Inference mode, with TF32 off for ``float32``, and as PyTorch has it by default (convolutions) for ``official``.

    TF32 settings are those of the whole process and are put back.
    """
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32, cudnn.allow_tf32 = False, precision == "official"
    try:
        with torch.inference_mode():
            yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def runs_half(precision: Precision, device: str) -> bool:
    """Whether CLIP runs in float16: the official code does so on CUDA and only there."""
    return precision == "official" and device.startswith("cuda")
