"""VBench's prompt list: each prompt with the dimensions that use it as tags, and the metadata that they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nova_bench.config.suite import PromptEntry
from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.regular_files import read_text
from nova_bench.protocols.base import PromptSource
from nova_bench.protocols.vbench.metadata import official_metadata

_ASSET = "vbench-prompts"
_SAMPLES = 5
# The static filter then keeps the first five static ones (VBench's README and cli/static_filter.py).
_SAMPLES_OF = {"temporal_flickering": 25}


def read(asset: Callable[[str], Path], notice: Callable[..., None]) -> list[PromptEntry]:
    """The 946 entries of VBench_full_info.json in the official order; two texts occur twice."""
    del notice  # its digest is known
    path = asset(_ASSET)
    try:
        return [_entry(record) for record in parse_json(read_text(path))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a VBench prompt list: {error}", "python -m nova_bench assets verify") from error


def _entry(record: dict) -> PromptEntry:
    dimensions = tuple(record["dimension"])
    samples = max(_SAMPLES_OF.get(dimension, _SAMPLES) for dimension in dimensions)
    return PromptEntry(text=record["prompt_en"], tags=dimensions, samples=samples, metadata=official_metadata(record))


SOURCE = PromptSource(
    name="vbench",
    summary="VBench's 944 different prompts: 5 samples each, 25 for temporal flickering",
    factory=f"{__name__}:read",
    assets=(_ASSET,),
    suite_for_other_videos="vbench_custom",
)
