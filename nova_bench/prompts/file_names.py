"""What file names say: a prompt each, or prompt and sample index."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from nova_bench.core.errors import UserError
from nova_bench.core.notices import listed

Naming = Literal["stem", "prompt-index", "path"]

_PROMPT_AND_INDEX = re.compile(r"(?P<prompt>.+)-(?P<index>[0-9]+)", re.DOTALL)
_LEAST_PROMPTS = 2
"""A single prompt with several samples is more likely a numbered series: clip-0, clip-1, ..."""


class Meaning(NamedTuple):
    """Prompt and sample index of a file."""

    prompt: str
    sample_index: int


def meaning(relative: Path, naming: Naming, suffixed: bool = True) -> Meaning:
    """What the path of a file inside its folder says; ``suffixed`` False for the name of a folder of frames.

    UserError for a name that isn't UTF-8.
    """
    try:
        str(relative).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{str(relative)!r}: the name is not UTF-8", "rename the file") from error
    # macOS stores names decomposed; a prompt is the same text however its accents are encoded.
    if naming == "path":
        return Meaning(unicodedata.normalize("NFC", str(relative)), 0)
    stem = unicodedata.normalize("NFC", relative.stem if suffixed else relative.name)
    if naming == "prompt-index" and (match := _PROMPT_AND_INDEX.fullmatch(stem)):
        return Meaning(match["prompt"], int(match["index"]))
    return Meaning(stem, 0)


def usual_naming(files: Sequence[Path], suffixed: bool = True) -> tuple[Naming, str]:
    """Guess how names are meant, and describe the alternative in one line; empty if there is none.

    They are prompt and sample index if every name ends in an index and at least two prompts have several; samples of
    one prompt are not independent observations, and intervals would otherwise be too narrow.
    """
    read = [meaning(path, "prompt-index", suffixed) for path in files]
    whole = [meaning(path, "stem", suffixed) for path in files]
    indexed = [one for one, other in zip(read, whole, strict=True) if one != other]
    samples: dict[str, int] = {}
    for one in indexed:
        samples[one.prompt] = samples.get(one.prompt, 0) + 1
    several = [prompt for prompt, count in samples.items() if count > 1]
    if len(several) >= _LEAST_PROMPTS and len(indexed) == len(files) and len(set(read)) == len(read):
        return "prompt-index", (
            f"{len(files)} names PROMPT-INDEX are read as samples of {len(samples)} prompts ({listed(list(samples))}); "
            "if each name is a prompt of its own: --set model.naming=stem"
        )
    if several:
        return "stem", (
            f"{len(indexed)} of {len(files)} names end in -INDEX ({listed(several)} with several), and each counts as "
            "a prompt of its own; if they are prompt and sample index: --set model.naming=prompt-index"
        )
    return "stem", ""
