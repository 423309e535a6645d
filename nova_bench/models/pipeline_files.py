"""The files of a diffusers pipeline: where they are, which are used, and what is missing. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.regular_files import is_regular, read_text
from nova_bench.models.checkpoints import completed_by_fetching, digests_of, locate_source, missing_source
from nova_bench.models.completeness import INDEX, Incomplete

if TYPE_CHECKING:
    from nova_bench.models.diffusers import DiffusersSpec

CONFIGURATIONS = (".json", ".txt", ".model", ".jinja")
"""Suffixes of configurations, vocabularies and templates; weights are chosen by name. Other files are never read."""
STEMS = ("diffusion_pytorch_model", "model")
"""Names of weight files, of diffusers and of transformers."""
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model")
"""Without one of these files a tokenizer is built empty, and every prompt is the same."""
NOT_LOADED = ("safety_checker",)
"""Parts of a pipeline that this harness leaves out."""
NOVA = "NOVA"
"""How the class begins that the index of a NOVA checkpoint names."""
LIBRARIES = ("diffusers", "transformers")
"""Libraries whose classes may be loaded. Others are code that a checkpoint brings along."""


def locate_pipeline(options: DiffusersSpec) -> Path:
    """The folder of a pipeline on this machine; never touches the network.

    MissingAsset, with the command that fetches it, if it isn't there; UserError if it can't be used.
    """
    folder = locate_source(options)
    if options.checkpoint is not None:
        with completed_by_fetching(options):
            pipeline_files(folder, options.variant)
    return folder


def missing_pipeline(options: DiffusersSpec) -> list[str]:
    """What must be fetched before a pipeline can be used, with the command; empty if it is here."""
    return missing_source(options, locate_pipeline)


def pipeline_index(folder: Path) -> dict[str, Any]:
    """The content of a folder's model_index.json. Incomplete if there is none, or it can't be read."""
    try:
        index = parse_json(read_text(folder / INDEX))
    except (OSError, ValueError) as error:
        raise Incomplete(f"{folder}: no {INDEX} that can be read: {error}", "get the checkpoint again") from error
    if not isinstance(index, dict):
        raise Incomplete(f"{folder / INDEX}: not a mapping", "get the checkpoint again")
    return index


def is_nova(index: dict[str, Any]) -> bool:
    """Whether an index is that of a NOVA checkpoint, which needs not name a class."""
    return str(index.get("_class_name", NOVA)).startswith(NOVA)


def parts_of(index: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The parts of a pipeline that are loaded: name -> (library, class)."""
    without_checker = {*NOT_LOADED, "feature_extractor"} if "safety_checker" in index else set()
    return {
        name: (str(value[0]), str(value[1]))
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and value[1] and name not in without_checker
    }


def files_of(folder: Path, variant: str | None, file_digest: Callable[[Path], str]) -> dict[str, str]:
    """Path inside ``folder`` -> digest of each file that a pipeline is loaded from. UserError if one can't be used."""
    return digests_of(folder, lambda inside: pipeline_files(inside, variant), file_digest)


def pipeline_files(folder: Path, variant: str | None) -> list[Path]:
    """Every file that a pipeline is loaded from, sorted.

    Incomplete if a part or its weights are missing; UserError if a part isn't a class of a known library.
    """
    files = [folder / INDEX]
    for name, (library, kind) in parts_of(pipeline_index(folder)).items():
        inside = folder / name
        if library not in LIBRARIES or list(inside.glob("*.py")):
            raise UserError(
                f"{folder}: {name} is a {kind} of {library}, code that comes with the checkpoint and is never run",
                "use a checkpoint whose parts are classes of diffusers or transformers",
            )
        if not inside.is_dir():
            raise Incomplete(f"{folder}: the checkpoint is incomplete: no {name}/", "get the checkpoint again, whole")
        files += configuration_files(inside)
        if "Tokenizer" in kind and not any((inside / name).exists() for name in VOCABULARIES):
            raise Incomplete(
                f"{inside}: the checkpoint is incomplete: no vocabulary", "get the checkpoint again, whole"
            )
        if _has_weights(inside, kind):
            files += weight_files(inside, variant)
    return sorted(files)


def configuration_files(folder: Path) -> list[Path]:
    """The configurations, vocabularies and templates of a part; the lists of shards go with the weights."""
    return [path for path in folder.iterdir() if path.suffix in CONFIGURATIONS and ".index." not in path.name]


def weight_files(folder: Path, variant: str | None) -> list[Path]:
    """The safetensors files of a part, and the list of its shards. Incomplete if one is missing."""
    for ending in (f".{variant}", "") if variant else ("",):
        for stem in STEMS:
            single = folder / f"{stem}{ending}.safetensors"
            if single.exists():
                return [single]
            listing = folder / f"{stem}.safetensors.index{ending}.json"
            if listing.exists():
                return [listing, *_shards(folder, listing)]
    pickled = sorted(path.name for path in folder.glob("*.bin"))
    beside = f"; {', '.join(pickled)}: pickled weights are never loaded" if pickled else ""
    raise Incomplete(f"{folder}: the checkpoint is incomplete: no safetensors weights{beside}", "get it again, whole")


def _shards(folder: Path, listing: Path) -> Iterator[Path]:
    try:
        names = sorted({str(name) for name in parse_json(read_text(listing))["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Incomplete(f"{listing}: lists no weights", "get the checkpoint again") from error
    for name in names:
        if not is_regular(folder / name):
            raise Incomplete(f"{folder}: the checkpoint is incomplete: no {name}", "get the checkpoint again, whole")
        yield folder / name


def _has_weights(folder: Path, kind: str) -> bool:
    """Whether a part is a network: schedulers, tokenizers and image processors have other configurations."""
    return (folder / "config.json").exists() and not kind.endswith(("Scheduler", "Tokenizer", "TokenizerFast"))
