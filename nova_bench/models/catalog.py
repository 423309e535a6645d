"""The model adapters by name: built-in ones, and those that installed packages offer as `nova_bench.models`."""

from __future__ import annotations

from nova_bench.core.registry import Registry
from nova_bench.models.base import AdapterInfo
from nova_bench.models.baselines import NovaReconstructionSpec, RepeatFirstFrameSpec
from nova_bench.models.checkpoints import missing_checkpoint
from nova_bench.models.files import FilesSpec
from nova_bench.models.nova import NovaSpec
from nova_bench.models.prompt_notices import notice_prompts

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
            prompt_notices=notice_prompts,
        ),
        "nova_reconstruction": AdapterInfo(
            name="nova_reconstruction",
            summary="a ceiling: each prompt's reference clip, encoded and decoded by a NOVA checkpoint's autoencoder",
            options=NovaReconstructionSpec,
            factory="nova_bench.models.baselines:NovaReconstruction",
            missing=missing_checkpoint,
            uses_reference=True,
        ),
        "repeat_first_frame": AdapterInfo(
            name="repeat_first_frame",
            summary="a baseline: each prompt's first frame, repeated",
            options=RepeatFirstFrameSpec,
            factory="nova_bench.models.baselines:RepeatFirstFrame",
        ),
    },
)
