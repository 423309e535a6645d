"""`--model M`: what a short name on the command line stands for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from nova_bench.config.catalog import ADAPTERS
from nova_bench.config.loading import anchor_paths, model_options
from nova_bench.config.paths import beside
from nova_bench.config.suite_files import MODELS, find_suite, known_suites
from nova_bench.config.yaml_source import Source, parse
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.core.registry import nearest
from nova_bench.core.regular_files import NOT_REGULAR, is_regular
from nova_bench.models.checkpoints import is_checkpoint
from nova_bench.models.pipeline_files import is_nova, pipeline_index
from nova_bench.models.published import CHECKPOINTS, checkpoint_path, is_hub_id
from nova_bench.models.random_weights import SUFFIX, check_random_name
from nova_bench.video.formats import MEDIA_SUFFIXES


def model_section(name: str) -> dict[str, Any]:
    """The model section of a suite that ``name`` stands for.

    A folder is a NOVA checkpoint or a pipeline of diffusers if it holds `model_index.json`, else videos; a .csv or
    .jsonl file is a manifest, a video or image one sample; a .yaml file, or the name of one in `suites/models/`, holds
    a model section; a published name or ``owner/name`` is a checkpoint of the hub; ``NAME@random`` is a published
    architecture with random weights.
    UserError for anything else.
    """
    if name.endswith(SUFFIX):
        architecture = name.removesuffix(SUFFIX)
        check_random_name(architecture)
        label = f"{architecture}, random weights"
        return {"adapter": "nova", "checkpoint": architecture, "random_weights": True, "label": label}
    path = beside(name, Path())
    if path.is_dir():
        section = {"folder": str(path.resolve()), "label": path.resolve().name}
        return _of_checkpoint(path, section) if is_checkpoint(path) else {"adapter": "files", **section}
    if is_regular(path) and path.suffix.lower() in (".csv", ".jsonl"):
        return {"adapter": "files", "manifest": str(path.resolve()), "label": path.stem}
    if is_regular(path) and path.suffix.lower() in MEDIA_SUFFIXES:
        return {"adapter": "files", "file": str(path.resolve()), "label": path.stem}
    if path.exists() and not is_regular(path):
        raise UserError(f"--model {name}: {NOT_REGULAR}", "name a folder, or copy its content to a manifest")
    if name in CHECKPOINTS:
        return {"adapter": "nova", "checkpoint": name, "label": name}
    if path.suffix == ".yaml" or name in known_suites(MODELS):
        return _entry(find_suite(name, MODELS))
    if is_hub_id(name):
        section = {"checkpoint": name, "label": name.rpartition("/")[2]}
        with suppress(MissingAsset):
            return _of_checkpoint(checkpoint_path(name), section)
        return {"adapter": "nova", **section}
    models = known_suites(MODELS)
    raise UserError(
        f"--model {name}: no such folder, manifest or checkpoint{nearest(name, [*CHECKPOINTS, *models])}",
        f"a checkpoint (folder, owner/name, {', '.join(CHECKPOINTS)}), a model of suites/models "
        f"({', '.join(sorted(models))}), a video, a folder of videos, or a .csv/.jsonl manifest",
    )


def model_checkpoints(section: dict[str, Any]) -> list[str]:
    """The hub ids of a model section's checkpoints. UserError if it has none."""
    if not section.get("checkpoint"):
        raise UserError(
            f"{section.get('label')}: a model without weights to fetch", "give your own images: see its file"
        )
    return [section["checkpoint"]]


def _of_checkpoint(folder: Path, section: dict[str, Any]) -> dict[str, Any]:
    """The section of a checkpoint that is here. Of a pipeline other than NOVA's, the suite's settings don't hold."""
    if is_nova(pipeline_index(folder)):
        return {"adapter": "nova", **section}
    return {"adapter": "diffusers", **section, "sampling": {}}


def _entry(path: Path) -> dict[str, Any]:
    """The model section in a file. SuiteError, with file and line, if it isn't valid."""
    document = parse(path)
    origin = document.origin(())
    source = Source({}, {(): origin}, document.files).with_section(("model",), document.data, document.origins)
    model_options(document.data, source)
    return anchor_paths(ADAPTERS.get(document.data["adapter"]).options, document.data, ("model",), source)
