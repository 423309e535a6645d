"""The manifest of a run: what produced its numbers, for each invocation of the command."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from nova_bench import __version__
from nova_bench.assets import asset_digest, asset_state, get_asset
from nova_bench.assets.cache import AssetState
from nova_bench.config.paths import SHORT_PATHS, shortened
from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.device import describe_device
from nova_bench.core.identity import file_digest
from nova_bench.core.json_text import parse_json
from nova_bench.kernels.products import describe_products
from nova_bench.pipeline.plan import Plan

MANIFEST = "manifest.json"


def write_manifest(
    folder: Path,
    content: dict[str, Any],
    device: str,
    started: datetime,
    seconds: Mapping[str, float],
    held: Mapping[str, Mapping[str, float]],
) -> Path:
    """Add this invocation to `manifest.json` of a run; the earlier ones stay.

    ``seconds`` are the wall times of its stages, ``held`` their seconds of devices by the devices' names.
    ``content`` is what the run consists of; its key ``run`` says which run it is. Its paths are relative,
    since the store may be moved or shared.
    """
    path = folder / MANIFEST
    invocation = _invocation(device, started, seconds, held)
    store = folder.absolute().parent  # the store may be moved
    invocation["command"] = [shortened(part.replace(str(store), store.name)) for part in invocation["command"]]
    if _computes_products(content):
        invocation["device"]["products"] = describe_products(device)
    invocations = [*_earlier(path, content["run"]), invocation]
    manifest = {**content, "invocations": invocations}
    return write_atomic(path, (json.dumps(manifest, indent=1) + "\n").encode())


def plan_content(plan: Plan) -> dict[str, Any]:
    """What a run of the kind "benchmark" consists of."""
    return {
        "run": plan.run_id,
        "suite": plan.suite.model_dump(mode="json", context=SHORT_PATHS),
        "suite_files": files_content(plan.suite.files),
        "model_digest": plan.model,
        "units": len(plan.units),
        "scorers": [
            {"name": s.info.name, "version": s.info.version, "identity": s.identity, "source": s.info.source}
            for s in plan.scorers
        ],
        "assets": _assets(plan),
    }


def files_content(files: Sequence[Path]) -> list[dict[str, str]]:
    """The suite's file and those it extends, with their digests; a file that is gone has none."""
    return [{"path": shortened(str(path)), "sha256": file_digest(path) if path.is_file() else ""} for path in files]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run; empty if it is missing or can't be read."""
    try:
        manifest = parse_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _earlier(path: Path, run: str) -> list[dict[str, Any]]:
    manifest = read_manifest(path.parent)
    return manifest.get("invocations", []) if manifest.get("run") == run else []


def _computes_products(content: dict[str, Any]) -> bool:
    """Whether NOVA or VBench's networks ran, which compute their products in one of several ways."""
    if content.get("suite", {}).get("model", {}).get("adapter") == "nova":
        return True
    here = any(asset["state"] == AssetState.HERE for asset in content.get("assets", {}).values())
    return here and any(scorer["source"].startswith("VBench") for scorer in content["scorers"])


def _invocation(
    device: str, started: datetime, seconds: Mapping[str, float], held: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    return {
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "device_hours": {
            stage: {name: round(value / 3600, 6) for name, value in devices.items()} for stage, devices in held.items()
        },
        "command": ["python", "-m", "nova_bench", *sys.argv[1:]],
        "nova_bench": __version__,
        "git": git_state(Path(__file__).parents[2]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": describe_device(device),
        "packages": package_versions(),
    }


def _assets(plan: Plan) -> dict[str, Any]:
    names = sorted({name for scorer in plan.scorers for name in scorer.info.assets})
    return {
        name: {"file": get_asset(name).title, "sha256": asset_digest(name), "state": asset_state(name)}
        for name in names
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Revision and dirtiness of the source tree ``folder``; None if it isn't the top of a git repository.

    An installed package may be inside an unrelated repository, whose revision would say nothing.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            return None
        return {
            "revision": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        }
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def package_versions() -> dict[str, str | None]:
    """Installed versions of everything nova_bench requires, except extras; None for a missing package."""
    try:
        required = [line for line in requires("nova_bench") or () if "extra ==" not in line]
        names = {re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0] for line in required}
    except PackageNotFoundError:
        names = {"torch", "numpy", "av", "opencv-python-headless", "transformers", "diffusers"}
    return {name: _version(name) for name in sorted(names)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
