"""Initial weights of a training, from a finished checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from nova_bench.config.paths import locate
from nova_bench.core.errors import UserError
from nova_bench.nova.errors import NOVAError


def begin_with(folder: str, parts: Mapping[str, nn.Module]) -> None:
    """Load the weights of the checkpoint in ``folder`` into ``parts`` (named as a pipeline's components).

    A checkpoint holds no optimizer moments; they start from zero. Raises UserError if there is no checkpoint or if its
    networks are different.
    """
    import torch

    from nova_bench.nova.pipeline import NOVAPipeline

    try:
        pipeline = NOVAPipeline.from_pretrained(locate(folder), torch_dtype=torch.float32, device="cpu")
    except NOVAError as error:
        raise UserError(f"transformer.pretrained: {error}", "the folder of a finished checkpoint") from error
    for name, part in parts.items():
        try:
            part.load_state_dict(getattr(pipeline, name).state_dict())
        except RuntimeError as error:
            problem = str(error).splitlines()[1].strip()
            raise UserError(
                f"transformer.pretrained: the {name} of {folder} is another network than this file describes "
                f"({problem})",
                "the settings it was trained with",
            ) from error
