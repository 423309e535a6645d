"""Fetches a checkpoint of the hub by what it is: NOVA's, a pipeline of diffusers, or Emu3."""

from __future__ import annotations

from pathlib import Path

from nova_bench.assets.hub import bring_snapshot
from nova_bench.core.errors import UserError
from nova_bench.core.json_text import parse_json
from nova_bench.core.regular_files import read_text
from nova_bench.models.completeness import INDEX
from nova_bench.models.emu3 import emu3_files
from nova_bench.models.pipeline_files import CONFIGURATIONS, STEMS, is_nova, parts_of, pipeline_files, pipeline_index
from nova_bench.models.published import (
    CHECKPOINTS,
    checkpoint_problem,
    damaged_files,
    fetch_checkpoint,
    get_checkpoint,
    refuse_damaged,
)

CONFIG = "config.json"


def fetch_model(name: str, revision: str | None = None) -> Path:
    """Download what is missing of a checkpoint, verify all of it, and return its folder.

    Of a pipeline of diffusers only the parts that are used come: one set of safetensors weights, no safety checker, no
    code. MissingAsset if it can't be downloaded; UserError if it is damaged or of another kind.
    """
    checkpoint = get_checkpoint(name)
    repo_id, revision = checkpoint.repo_id, revision or checkpoint.revision
    if name in CHECKPOINTS or repo_id in {known.repo_id for known in CHECKPOINTS.values()}:
        return fetch_checkpoint(name, revision)
    folder = bring_snapshot(repo_id, revision, [INDEX, CONFIG])
    if not (folder / INDEX).is_file():
        if _model_type(folder) != "emu3":
            raise UserError(f"{repo_id}: holds no {INDEX}", "a checkpoint of NOVA, diffusers or Emu3 is expected")
        folder = bring_snapshot(repo_id, revision, _FILES, top_only=True)
        emu3_files(folder)
        refuse_damaged(folder, name)
        return folder
    index = pipeline_index(folder)
    if is_nova(index):
        return fetch_checkpoint(name, revision)
    files = [f"{part}/{file}" for part in parts_of(index) for file in _FILES]
    folder = bring_snapshot(repo_id, revision, [INDEX, *files])
    pipeline_files(folder, None)
    refuse_damaged(folder, name)
    return folder


def _model_type(folder: Path) -> str:
    """The kind of model that a configuration of transformers names; empty if there is none."""
    try:
        content = parse_json(read_text(folder / CONFIG))
    except (OSError, ValueError):
        return ""
    return str(content.get("model_type", "")) if isinstance(content, dict) else ""


def model_problem(folder: Path) -> str:
    """Why a checkpoint of any kind can't be used; empty if it is complete and undamaged. Reads every byte."""
    try:
        is_emu3 = _model_type(folder) == "emu3"
        if is_emu3 or not is_nova(pipeline_index(folder)):
            emu3_files(folder) if is_emu3 else pipeline_files(folder, None)
            return next((f"{path}: its bytes differ from the published ones" for path in damaged_files(folder)), "")
    except UserError as error:
        return error.message
    return checkpoint_problem(folder)


_FILES = (
    *(f"*{suffix}" for suffix in CONFIGURATIONS),
    *(f"{stem}.safetensors" for stem in STEMS),
    *(f"{stem}-?????-of-?????.safetensors" for stem in STEMS),
)
