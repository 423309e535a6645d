"""Samples that fail: what their failure depends on, which are retried, and how thousands of them are reported.

A failure due to the sample recurs as long as its file, the limits and the code stay the same. A digest of limits and
code, the *cause*, is stored with it (the file is part of its key), and later runs skip the sample while the cause is
the same. A failure due to the machine, such as too little memory, has no cause and is retried by every run.
"""

from __future__ import annotations

import errno
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
from nova_bench.pipeline.arrival import sources_digest
from nova_bench.pipeline.manifest import package_versions

if TYPE_CHECKING:
    from nova_bench.core.progress import Progress

CAUSE = "cause"
"""Key of the cause in the details of a failed row or unit; absent if the next run tries again."""
PASSING = "passing"
"""Key that marks a failure as due to the machine, not to the sample."""
_MACHINE = frozenset(
    [
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE),
        *(errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE),
        *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETDOWN),
        *(errno.ENETUNREACH, errno.ETIMEDOUT),
    ]
)
"""Errors of the disk, of memory and handles, and of the network."""
_SHORTEST_NAME = 4
"""A shorter prompt is too common a text to be removed from a message."""


class TooManyFailures(Exception):
    """More samples failed than `--max-failures` allows."""


class Failures:
    """Counts a run's failed samples, logs each kind of failure once, and ends the run if there are too many."""

    def __init__(self, progress: Progress, most: int | None = None):
        self._progress, self._most = progress, most
        self._samples: set[str] = set()
        self._kinds: dict[tuple[str, str], int] = {}

    def add(self, stage: str, sample: str, message: str, own: Iterable[str | None]) -> None:
        """Record that a sample failed; ``own`` are its names, see :func:`kind_of`. A new kind is logged."""
        kind = (stage, kind_of(message, own))
        if kind not in self._kinds:
            self._progress.log(f"{stage}: {message}")
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        self._samples.add(sample)

    def check(self) -> None:
        """Raise TooManyFailures if more samples failed than allowed."""
        if self._most is not None and len(self._samples) > self._most:
            raise TooManyFailures(
                f"stopped early: {len(self._samples)} samples failed, --max-failures allows {self._most}; everything "
                "finished is kept; repeat the command to continue"
            )

    def log_counts(self) -> None:
        """Log how often each kind of failure occurred, if more than once."""
        for (stage, kind), count in self._kinds.items():
            if count > 1:
                self._progress.log(f"{stage}: {count} times: {kind}")


def failure_details(error: Exception, stage: str = "") -> dict[str, Any]:
    """What is stored of an error besides its message: remedy, stage, and whether it is due to the machine."""
    details: dict[str, Any] = {"stage": stage} if stage else {}
    if isinstance(error, UserError) and error.remedy:
        details["remedy"] = error.remedy
    if _lies_in_the_machine(error):
        details[PASSING] = True
    return details


def with_cause(details: Mapping[str, Any], cause: str) -> dict[str, Any]:
    """Add the cause to a failure's details, unless it is due to the machine."""
    return dict(details) if details.get(PASSING) else {**details, CAUSE: cause}


def failure_cause(suite: Suite, factory: str) -> str:
    """Digest of what a failure depends on besides the sample: limits on media, the device, and the code.

    ``factory`` ("module:Class") is the scorer or model; if another package provides it, its file is included.
    """
    return digest(
        "cause",
        [suite.model_dump(mode="json", include={"media"}), suite.execution.device, _code(), _module(factory)],
    )


def kind_of(message: str, own: Iterable[str | None]) -> str:
    """Remove what is specific to one sample from a message, so that equal failures can be counted.

    ``own`` holds texts that name the sample: paths of its files, its prompt. Digests and numbers are removed, too.
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
        # FFmpeg's errors are OSErrors as well, but concern the file: a damaged one is an "input/output error".
        of_ffmpeg = any(base.__name__ == "FFmpegError" for base in type(error).__mro__)
        if isinstance(error, OSError) and not of_ffmpeg and error.errno in _MACHINE:
            return True
        error = error.__cause__
    return False


@cache
def _code() -> str:
    """Digest of this package's sources and of its dependencies' versions."""
    return digest("code", [sources_digest(), package_versions(), platform.python_version()])


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
