"""Samples that fail: what their failure depends on, which are worth another try, and how thousands of them are told.

A failure that lies in the sample comes again as long as its file, the limits and the code stay as they are. A digest of
the latter two, the *cause*, is kept with it (the file is part of its key), and the next run passes it over while that
is the same. What lies in the machine, such as memory that ran out, has no cause and is tried again by every run.
"""

from __future__ import annotations

import errno
import hashlib
import platform
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_bench.config.suite import Suite
from nova_bench.core.batches import is_out_of_memory
from nova_bench.core.errors import FileChanged, UserError
from nova_bench.core.identity import digest, file_digest
from nova_bench.execute.base import LostWorker
from nova_bench.pipeline.manifest import package_versions

if TYPE_CHECKING:
    from nova_bench.core.progress import Progress

CAUSE = "cause"
"""Key of the cause in the details of a failed row or unit; absent where the next run tries again."""
PASSING = "passing"
"""Key that says of a failure that it lies in the machine, not in the sample."""
_MACHINE = frozenset(
    [
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE),
        *(errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE),
        *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETDOWN),
        *(errno.ENETUNREACH, errno.ETIMEDOUT),
    ]
)
"""Errors of the disk, of memory and handles, and of the network."""
_SOURCES = (".py", ".c", ".h")
_SHORTEST_NAME = 4
"""A prompt shorter than this is too common a text to be taken out of a message."""


class TooManyFailures(Exception):
    """More samples failed than `--max-failures` allows."""


class Failures:
    """Counts the samples that fail in a run, logs each kind of failure once, and ends the run at too many."""

    def __init__(self, progress: Progress, most: int | None = None):
        self._progress, self._most = progress, most
        self._samples: set[str] = set()
        self._kinds: dict[tuple[str, str], int] = {}

    def add(self, stage: str, sample: str, message: str, own: Iterable[str | None]) -> None:
        """Note that a sample failed; ``own`` are its names, see :func:`kind_of`. A kind is logged when it is new."""
        kind = (stage, kind_of(message, own))
        if kind not in self._kinds:
            self._progress.log(f"{stage}: {message}")
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        self._samples.add(sample)

    def check(self) -> None:
        """Raise TooManyFailures after more failed samples than allowed."""
        if self._most is not None and len(self._samples) > self._most:
            raise TooManyFailures(
                f"stopped early: {len(self._samples)} samples failed, --max-failures allows {self._most}; everything "
                "finished is kept, the same command continues"
            )

    def log_counts(self) -> None:
        """Log how often each kind of failure came, where it came more than once."""
        for (stage, kind), count in self._kinds.items():
            if count > 1:
                self._progress.log(f"{stage}: {count} times: {kind}")


def failure_details(error: Exception, stage: str = "") -> dict[str, Any]:
    """What is kept of an error beside its message: its remedy, where it came up, whether it lies in the machine."""
    details: dict[str, Any] = {"stage": stage} if stage else {}
    if isinstance(error, UserError) and error.remedy:
        details["remedy"] = error.remedy
    if _lies_in_the_machine(error):
        details[PASSING] = True
    return details


def with_cause(details: Mapping[str, Any], cause: str) -> dict[str, Any]:
    """The details of a failure with its cause, unless it lies in the machine."""
    return dict(details) if details.get(PASSING) else {**details, CAUSE: cause}


def failure_cause(suite: Suite, factory: str) -> str:
    """Digest of what a failure depends on beside the sample: limits on media, the device, and the code.

    ``factory`` ("module:Class") is the scorer or model at work; one that another package offers counts with its file.
    """
    return digest(
        "cause",
        [suite.model_dump(mode="json", include={"media"}), suite.execution.device, _code(), _module(factory)],
    )


def kind_of(message: str, own: Iterable[str | None]) -> str:
    """A message without what is one sample's own, so that equal failures can be counted.

    ``own`` holds texts that name the sample: paths of its files, its prompt. Digests and numbers are left out, too.
    """
    for text in sorted(filter(None, own), key=len, reverse=True):
        if len(text) >= _SHORTEST_NAME:
            message = message.replace(text, "FILE" if "/" in text else "...")
    message = re.sub(r"\S*[0-9a-f]{64}\S*", "FILE", message)
    return re.sub(r"\d+(\.\d+)?", "#", message).removeprefix("FILE: ")


def _lies_in_the_machine(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, LostWorker | FileChanged | ConnectionError) or is_out_of_memory(error):
            return True
        # FFmpeg's errors are OSErrors as well, but speak of the file: a damaged one is an "input/output error".
        of_ffmpeg = any(base.__name__ == "FFmpegError" for base in type(error).__mro__)
        if isinstance(error, OSError) and not of_ffmpeg and error.errno in _MACHINE:
            return True
        error = error.__cause__
    return False


@cache
def _code() -> str:
    """Digest of this package's sources and of the versions of what they rest on."""
    folder = Path(__file__).parents[1]
    sources = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _SOURCES):
        sources.update(f"{path.relative_to(folder)}\0{file_digest(path)}\n".encode())
    return digest("code", [sources.hexdigest(), package_versions(), platform.python_version()])


def _module(factory: str) -> str:
    """Digest of the file of another package's module; empty for ours."""
    name = factory.partition(":")[0]
    if name.partition(".")[0] == __name__.partition(".")[0]:
        return ""
    try:
        found = find_spec(name)
        return file_digest(Path(found.origin)) if found and found.origin else ""
    except (ImportError, OSError, ValueError):
        return ""
