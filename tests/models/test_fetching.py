"""Which files of a hub's repository come, by what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

from nova_bench.core.errors import UserError
from nova_bench.models import fetching
from tests.models import tiny_emu3
from tests.models.tiny_pipelines import save


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the only repository of the hub."""
    there, here = tmp_path / "hub", tmp_path / "cache"

    def bring(repo_id: str, revision: str, patterns: Sequence[str], top_only: bool = False) -> Path:
        for path in there.rglob("*"):
            name = path.relative_to(there).as_posix()
            if (
                path.is_file()
                and any(fnmatch(name, pattern) for pattern in patterns)
                and not (top_only and "/" in name)
            ):
                (here / name).parent.mkdir(parents=True, exist_ok=True)
                (here / name).write_bytes(path.read_bytes())
        return here

    monkeypatch.setattr(fetching, "bring_snapshot", bring)
    there.mkdir()
    return there


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"unwanted")


def test_only_what_a_pipeline_uses_is_fetched(repository: Path) -> None:
    wanted = names(save("sd15", repository))
    write(repository, "v1-5-pruned.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors", "README.md", "x.py")
    write(repository, "unet/diffusion_pytorch_model.bin", "safety_checker/model.safetensors", "unet/code.py")
    assert names(fetching.fetch_model("somebody/a-pipeline")) == wanted
    assert fetching.model_problem(repository) != ""  # it has code in a part's folder


def test_emu3_is_fetched_and_other_language_models_are_not(repository: Path) -> None:
    wanted = names(tiny_emu3.save(repository))
    write(repository, "pytorch_model.bin", "modeling_emu3.py", "original/model.safetensors")
    folder = fetching.fetch_model("somebody/an-emu3")
    assert names(folder) == wanted
    assert fetching.model_problem(folder) == ""
    config = repository / "config.json"
    config.write_text(config.read_text().replace('"model_type": "emu3"', '"model_type": "llama"'))
    with pytest.raises(UserError, match=r"holds no model_index\.json"):
        fetching.fetch_model("somebody/a-llama")
