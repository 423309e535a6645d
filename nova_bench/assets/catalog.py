"""The assets by name."""

from __future__ import annotations

from dataclasses import dataclass

from nova_bench.names import unknown_name


@dataclass(frozen=True)
class PackageSource:
    """A file inside a wheel of the Python package registry; the wheel is read, never installed."""

    requirement: str
    wheel_sha256: str
    member: str

    def __str__(self) -> str:
        return f"{self.member} of the wheel {self.requirement}"


@dataclass(frozen=True)
class UrlSource:
    """A file behind a URL."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class Asset:
    """One file that nova_bench needs but doesn't ship. ``size`` in bytes; ``sha256`` of the file itself."""

    name: str
    file: str
    summary: str
    source: PackageSource | UrlSource
    sha256: str
    size: int
    licence: str


ASSETS: dict[str, Asset] = {
    asset.name: asset
    for asset in (
        Asset(
            name="vbench-prompts",
            file="VBench_full_info.json",
            summary="VBench's 946 prompt entries with their dimensions",
            source=PackageSource(
                requirement="vbench==0.1.5",
                wheel_sha256="13266ed4715d91a7669ab58484b9e010bc91bb96e129d414fb512d4937890023",
                member="vbench/VBench_full_info.json",
            ),
            sha256="5dd2de80ee43cda750b2b72ea7023657c0b90d3702041c7e4608c65dbe50dccd",
            size=228118,
            licence="Apache-2.0",
        ),
    )
}


def get_asset(name: str) -> Asset:
    """The asset called ``name``. UserError with the nearest name where there is none."""
    if name not in ASSETS:
        raise unknown_name("asset", name, ASSETS)
    return ASSETS[name]
