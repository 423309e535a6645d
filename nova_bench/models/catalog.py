"""The model adapters by name: built-in ones, and those that installed packages offer as `nova_bench.models`."""

from __future__ import annotations

from nova_bench.models.base import AdapterInfo
from nova_bench.models.checkpoints import missing_checkpoint
from nova_bench.models.files import FilesSpec
from nova_bench.models.nova import NovaSpec
from nova_bench.names import Registry

ADAPTERS = Registry(
    what="model adapter",
    group="nova_bench.models",
    kind=AdapterInfo,
    built_in={
        "files": AdapterInfo(
            name="files",
            summary="videos or images that any model made: a folder, or a CSV/JSONL manifest",
            options=FilesSpec,
            factory="nova_bench.models.files:FilesAdapter",
        ),
        "nova": AdapterInfo(
            name="nova",
            summary="a NOVA checkpoint in the published layout: text-to-image, text-to-video, image-to-video",
            options=NovaSpec,
            factory="nova_bench.models.nova:NovaAdapter",
            missing=missing_checkpoint,
        ),
    },
)
