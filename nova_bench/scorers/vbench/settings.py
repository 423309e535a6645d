"""Settings that VBench's dimensions share."""

from __future__ import annotations

from typing import Literal

from nova_bench.config.fields import ScorerSettings
from nova_bench.networks.numerics import Precision


class NetworkSettings(ScorerSettings):
    """Settings of a dimension that runs a network."""

    precision: Precision = "official"
    """Arithmetic on CUDA: ``official`` as the official code runs (CLIP in float16, convolutions in TF32); ``float32``
    without either, so that numbers agree between kinds of GPU. On the CPU both are float32."""


class FlowSettings(NetworkSettings):
    """Settings of a dimension that rests on RAFT."""

    protocol: Literal["official", "corrected"] = "official"
    """What to say of videos that RAFT can't measure (a side below 121 pixels, or too few frames): ``official`` repeats
    the official verdict, which follows from comparing with NaN; ``corrected`` calls them not measurable."""

    early_exit: bool = True
    """Stop once the verdict is certain. It is the same; the list of pair scores then ends there."""
