"""The assets by name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nova_bench.identity import digest
from nova_bench.names import unknown_name


@dataclass(frozen=True)
class AssetFile:
    """One file of an asset: its path inside the asset (with `/`), SHA-256 and bytes."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class PackageSource:
    """Files inside a wheel of the Python package registry; the wheel is read, never installed."""

    requirement: str
    wheel_sha256: str
    folder: str

    def __str__(self) -> str:
        return f"the wheel {self.requirement}, {self.folder}/"


@dataclass(frozen=True)
class UrlSource:
    """One file behind a URL."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class HubSource:
    """Files of a model repository of the Hugging Face hub, below ``folder`` where that isn't empty.

    They stay in the hub's own cache (HF_HOME), so that other programs share them. ``revision`` is a full commit hash:
    a branch may move. Raises ValueError for anything else.
    """

    repo_id: str
    revision: str
    folder: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{40}", self.revision):
            raise ValueError(f"{self.repo_id}: {self.revision!r} is no full commit hash")

    def __str__(self) -> str:
        return f"huggingface.co/{self.repo_id} at {self.revision[:8]}"


@dataclass(frozen=True)
class Asset:
    """What nova_bench needs but doesn't ship: one file, or a folder of several.

    Each file is compared with its SHA-256 before it is used.
    """

    name: str
    summary: str
    source: PackageSource | UrlSource | HubSource
    files: tuple[AssetFile, ...]
    licence: str

    @property
    def title(self) -> str:
        """What users know it by: the file's name, or the asset's where it is a folder."""
        return self.files[0].path if len(self.files) == 1 else f"{self.name} ({len(self.files)} files)"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str:
        """Digest of the content: the file's own, or one over all files and their paths."""
        if len(self.files) == 1:
            return self.files[0].sha256
        return digest("asset", sorted([file.path, file.sha256] for file in self.files))


ASSETS: dict[str, Asset] = {
    asset.name: asset
    for asset in (
        Asset(
            name="vbench-prompts",
            summary="VBench's 946 prompts with their dimensions",
            source=PackageSource(
                requirement="vbench==0.1.5",
                wheel_sha256="13266ed4715d91a7669ab58484b9e010bc91bb96e129d414fb512d4937890023",
                folder="vbench",
            ),
            files=(
                AssetFile(
                    path="VBench_full_info.json",
                    sha256="5dd2de80ee43cda750b2b72ea7023657c0b90d3702041c7e4608c65dbe50dccd",
                    size=228118,
                ),
            ),
            licence="Apache-2.0",
        ),
    )
}


def get_asset(name: str) -> Asset:
    """The asset called ``name``. UserError with the nearest name where there is none."""
    if name not in ASSETS:
        raise unknown_name("asset", name, ASSETS)
    return ASSETS[name]
