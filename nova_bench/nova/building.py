"""Build networks from external configurations; refuse those that can't be built, early and in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from nova_bench.nova.errors import ConfigError, NOVAError

MOST_BLOCKS = 4096
"""Most blocks of one network, far above any real model. Each takes time to build, even if it takes no memory."""
_LEAST_BYTES = 2  # per parameter, in half precision


@contextmanager
def building(source: str | Path) -> Iterator[None]:
    """Turn errors while a network is built from the configuration ``source`` into :class:`ConfigError`."""
    try:
        yield
    except NOVAError:
        raise
    except Exception as error:  # a configuration can be wrong in as many ways as there are Python types
        reason = next(iter(str(error).splitlines()), "")
        raise ConfigError(f"{source}: describes no network ({type(error).__name__}: {reason})") from error


def refuse_giant(what: str, blocks: int, parameters: int) -> None:
    """Raise :class:`ConfigError` for a network that doesn't fit this machine, before anything is allocated.

    ``parameters`` may omit small ones. The memory counted is the larger of the host's and the GPU's.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if torch.cuda.is_available():
        memory = max(memory, torch.cuda.get_device_properties(0).total_memory)
    needed = parameters * _LEAST_BYTES
    if blocks > MOST_BLOCKS or needed > memory:
        raise ConfigError(
            f"{what}: {blocks:,} blocks (at most {MOST_BLOCKS:,}) with {parameters:,} parameters would need "
            f"{needed / 2**30:,.1f} GiB in half precision; this machine has {memory / 2**30:.1f} GiB of memory"
        )
