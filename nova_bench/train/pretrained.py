"""Initial weights of a training, from a finished checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from nova_bench.config.paths import locate
from nova_bench.core.errors import UserError
from nova_bench.nova.errors import NOVAError


def begin_with(folder: str, parts: Mapping[str, nn.Module], fresh: Sequence[str] = ()) -> None:
    """Load the weights of the checkpoint in ``folder`` into ``parts`` (named as a pipeline's components).

    Modules of the transformer that ``fresh`` names keep the weights they have. A checkpoint holds no optimizer moments;
    they start from zero. Raises UserError if there is no checkpoint or if its networks are different.
    """
    import torch

    from nova_bench.nova.pipeline import NOVAPipeline

    try:
        pipeline = NOVAPipeline.from_pretrained(locate(folder), torch_dtype=torch.float32, device="cpu")
    except NOVAError as error:
        raise UserError(f"transformer.pretrained: {error}", "the folder of a finished checkpoint") from error
    for name, part in parts.items():
        kept = _state_of(part, fresh) if name == "transformer" else {}
        try:
            part.load_state_dict({**getattr(pipeline, name).state_dict(), **kept})
        except RuntimeError as error:
            problem = str(error).splitlines()[1].strip()
            raise UserError(
                f"transformer.pretrained: the {name} of {folder} is another network than this file describes "
                f"({problem})",
                "the settings it was trained with",
            ) from error


def _state_of(transformer: nn.Module, names: Sequence[str]) -> dict[str, Tensor]:
    """The weights of these modules. Raises UserError for a name that no module has."""
    state = transformer.state_dict()
    found = {key: value for key, value in state.items() if key.split(".")[0] in names}
    if unknown := set(names) - {key.split(".")[0] for key in found}:
        known = sorted({key.split(".")[0] for key in state})
        raise UserError(f"transformer.fresh: no part {min(unknown)!r}", f"one of {', '.join(known)}")
    return found
