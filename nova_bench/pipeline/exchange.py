"""Samples on their way between machines that share no folder: files at an fsspec address, named by their content."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nova_bench.core.batches import one_line
from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Value = TypeVar("Value")


class Exchange:
    """A folder at an address such as ``s3://bucket/folder``; can be sent to workers, which open it for themselves.

    Every method raises UserError, naming the address, if it can't be reached, read or written.
    """

    def __init__(self, address: str):
        self.address = address.rstrip("/")

    def put(self, path: Path) -> str:
        """Copy a file there unless it is there already; returns its name: the SHA-256 of its content and its suffix."""
        name = f"{file_digest(path)}{path.suffix}"

        def copied(system: AbstractFileSystem, folder: str) -> None:
            if not system.exists(f"{folder}/{name}"):
                system.put_file(str(path), f"{folder}/{name}")

        self._write(copied)
        return name

    def get(self, name: str, path: Path) -> None:
        """Copy a file from there to ``path``. UserError also if its content isn't what its name says."""
        self._do(lambda system, folder: system.get_file(f"{folder}/{name}", str(path)))
        if file_digest(path) != name.partition(".")[0]:
            raise UserError(f"{self.address}/{name}: its content is damaged", "delete it and repeat the command")

    def names(self) -> set[str]:
        """The names of the files there."""

        def listed(system: AbstractFileSystem, folder: str) -> set[str]:
            system.invalidate_cache()
            try:
                return {str(entry).rpartition("/")[2] for entry in system.ls(folder, detail=False)}
            except FileNotFoundError:  # an object store has no folder before something is in it
                return set()

        return self._do(listed)

    @contextmanager
    def mark(self) -> Iterator[str]:
        """The name of a file by which workers recognize the folder; it is gone afterwards."""
        name = f"mark-{secrets.token_hex(8)}"
        self._write(lambda system, folder: system.pipe_file(f"{folder}/{name}", b""))
        try:
            yield name
        finally:
            self._do(lambda system, folder: system.rm_file(f"{folder}/{name}"))

    def _write(self, work: Callable[[AbstractFileSystem, str], None]) -> None:
        def in_folder(system: AbstractFileSystem, folder: str) -> None:
            # Other paths begin with the name of a bucket, which nobody wants made for a typo.
            if folder.startswith("/"):
                system.makedirs(folder, exist_ok=True)
            work(system, folder)

        self._do(in_folder)

    def _do(self, work: Callable[[AbstractFileSystem, str], Value]) -> Value:
        from fsspec.core import url_to_fs

        try:
            system, folder = url_to_fs(self.address)
            return work(system, folder)
        except Exception as error:  # each kind of store has exceptions of its own
            raise UserError(
                f"{self.address}: can't exchange samples there: {one_line(error)}",
                "check the address, the permissions, and that all machines have its package (s3fs, gcsfs, ...)",
            ) from error
