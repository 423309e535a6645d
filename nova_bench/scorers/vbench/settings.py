"""Settings that VBench's dimensions share."""

from __future__ import annotations

from nova_bench.config.fields import ScorerSettings
from nova_bench.networks.numerics import Precision


class NetworkSettings(ScorerSettings):
    """Settings of a dimension that runs a network."""

    precision: Precision = "official-cuda"
    """Arithmetic on CUDA: ``official-cuda`` as in the official code (CLIP in float16, convolutions in TF32, the rest in
    float32); ``float32`` without either, so that numbers agree between kinds of GPU. On the CPU both are float32."""


class FlowSettings(NetworkSettings):
    """Settings of a dimension that uses RAFT."""

    early_exit: bool = True
    """Stop once the verdict is certain. It doesn't change; the list of pair scores then ends there."""
