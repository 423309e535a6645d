"""`doctor`: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from nova_bench import __version__
from nova_bench.assets import ASSETS, asset_state
from nova_bench.assets.cache import AssetState, cache_folder, megabytes
from nova_bench.config.suite_files import known_suites
from nova_bench.core.device import describe_device, resolve_device
from nova_bench.core.errors import UserError
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.registry import preview_request
from nova_bench.models.optional_packages import INSTALL, PACKAGES, absent_packages
from nova_bench.models.published import CHECKPOINTS, checkpoint_state, fetch_command
from nova_bench.pipeline.manifest import package_versions


@dataclass(frozen=True)
class Diagnosis:
    """Findings by section; ``healthy`` if nothing is broken (a missing package is, a missing asset isn't)."""

    sections: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    healthy: bool

    def text(self) -> str:
        """For people."""
        lines = []
        for title, entries in self.sections:
            width = max((len(name) for name, _ in entries), default=0)
            lines += [f"{title}:", *(f"  {name:<{width}}  {finding}" for name, finding in entries), ""]
        return "\n".join(lines).rstrip()


def diagnose(root: Path) -> Diagnosis:
    """Check packages, device, assets, the store's disk and every suite."""
    versions = package_versions()
    packages = tuple((name, version or f"missing: pip install {name}") for name, version in versions.items())
    sections = (
        ("nova_bench", (("version", __version__), ("python", platform.python_version()))),
        ("packages", packages),
        ("packages for image models", tuple(_image_packages())),
        ("device", tuple(_device().items())),
        ("assets", tuple(_assets())),
        ("disk", (("free for the store", _free(root)),)),
        ("suites", tuple((name, _suite(name, root)) for name in sorted(known_suites()))),
    )
    return Diagnosis(sections, all(versions.values()))


def _device() -> dict[str, str]:
    try:
        import torch
    except ImportError as error:
        return {"device": f"torch can't be imported: {error}"}
    device = resolve_device("auto")
    reason = {} if device != "cpu" else {"cuda": f"none that torch {torch.__version__} can use"}
    return {**describe_device(device), **reason}


def _assets() -> list[tuple[str, str]]:
    findings = []
    for name, asset in ASSETS.items():
        state = asset_state(name)
        remedy = "" if state == AssetState.HERE else f" ({megabytes(asset.size)}: {fetch_command(name)})"
        findings.append((name, f"{state}{remedy}"))
    for name, checkpoint in CHECKPOINTS.items():
        state = checkpoint_state(name)
        remedy = "" if state == AssetState.HERE else f" (about {megabytes(checkpoint.size)}: {fetch_command(name)})"
        findings.append((name, f"{state}{remedy}"))
    return [*findings, ("folder", str(cache_folder()))]


def _image_packages() -> list[tuple[str, str]]:
    """What the `diffusers` models need besides; nova_bench does without it."""
    absent = absent_packages()
    return [(name, f"missing: {INSTALL}" if name in absent else version(name)) for name in PACKAGES]


def _free(root: Path) -> str:
    existing = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.exists())
    return megabytes(shutil.disk_usage(existing).free)


def _suite(name: str, root: Path) -> str:
    """What a suite still needs, in one line."""
    try:
        preview = preview_request(Request(name, root), Progress(quiet=True))
    except UserError as error:
        return f"not ready: {error}".replace("\n", "; ")
    if preview.missing_assets:
        return f"needs {'; '.join(preview.missing_assets)}"
    return f"ready: {preview.summary}"
