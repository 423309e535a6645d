"""The NOVA network as a library of its own: nothing here imports the benchmark harness."""

from nova_bench.nova.config import NOVAConfig
from nova_bench.nova.errors import (
    ArchitectureError,
    ArrangementError,
    CheckpointError,
    ConfigError,
    InputError,
    NotFiniteError,
    NOVAError,
)
from nova_bench.nova.observe import Observer
from nova_bench.nova.output import NOVAPipelineOutput
from nova_bench.nova.pipeline import NOVAPipeline
from nova_bench.nova.transformer import NOVATransformer3DModel

__all__ = [
    "ArchitectureError",
    "ArrangementError",
    "CheckpointError",
    "ConfigError",
    "InputError",
    "NOVAConfig",
    "NOVAError",
    "NOVAPipeline",
    "NOVAPipelineOutput",
    "NOVATransformer3DModel",
    "NotFiniteError",
    "Observer",
]
