"""Downloads one file from a URL and resumes an interrupted download."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nova_bench.assets.catalog import AssetFile, UrlSource
from nova_bench.core.atomic_files import publish
from nova_bench.core.errors import MissingAsset, UserError
from nova_bench.core.identity import file_digest

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60
AGAIN = "check the network, then repeat the command to continue"


def bring(source: UrlSource, file: AssetFile, path: Path, advance: Callable[[int], None]) -> None:
    """Download to `PATH.part`, resuming a partial file, and rename it once its SHA-256 is right.

    Without a published SHA-256, a partial file is resumed only if the server still states the same version (ETag or
    date); otherwise the download starts again. Raises MissingAsset if the connection fails or ends
    early, UserError if a different file arrived, and OSError if ``path`` can't be written.
    """
    where, part = source.of(file), path.with_name(f"{path.name}.part")
    if file.approximate:
        size, version = _announced(where)
        file = replace(file, size=size)
        if file.sha256 is None:
            _keep_version(part, version)
    here = part.stat().st_size if part.exists() else 0
    if here < file.size:
        _append(where, file, part, here, advance)
        here = part.stat().st_size
    else:
        advance(file.size)
    if here < file.size:
        raise MissingAsset(f"{where}: cut off after {here} of {file.size} bytes", AGAIN)
    if file.sha256 is not None and (found := file_digest(part)) != file.sha256:
        part.unlink()
        raise UserError(
            f"{where}: SHA-256 {found[:12]}..., but {file.sha256[:12]}... was published",
            "fetch again; if this persists, the publisher changed the file",
        )
    publish(part, path)
    _version_file(part).unlink(missing_ok=True)


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _keep_version(part: Path, version: str) -> None:
    """Delete a partial file of another version, and note the version of the one to come."""
    note = _version_file(part)
    if not version or not note.is_file() or note.read_text(encoding="utf-8") != version:
        part.unlink(missing_ok=True)
    note.write_text(version, encoding="utf-8")


def _announced(url: str) -> tuple[int, str]:
    """The file's size and version (ETag, else date; may be empty) that the server reports."""
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            headers = response.headers
            return int(headers["Content-Length"]), headers.get("ETag") or headers.get("Last-Modified") or ""
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise MissingAsset(f"{url}: {getattr(error, 'reason', error) or type(error).__name__}", AGAIN) from error
    except (TypeError, ValueError) as error:
        raise MissingAsset(f"{url}: the server doesn't report the file's size", "download it by hand") from error


def _append(url: str, file: AssetFile, part: Path, start: int, advance: Callable[[int], None]) -> None:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            resumed = response.status == http.client.PARTIAL_CONTENT
            left = file.size - start if resumed else file.size
            if resumed:
                advance(start)
            with part.open("ab" if resumed else "wb") as stream:
                # Never more than was published, whatever a server sends; the digest decides the rest.
                while left and (piece := response.read(min(CHUNK, left))):
                    stream.write(piece)
                    left -= len(piece)
                    advance(len(piece))
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
        raise MissingAsset(f"{url}: HTTP {error.code} {error.reason}", AGAIN) from error
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise MissingAsset(f"{url}: {getattr(error, 'reason', error) or type(error).__name__}", AGAIN) from error
