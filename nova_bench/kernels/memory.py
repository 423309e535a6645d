"""Freed memory stays with the process: networks ask for the same sizes again and again.

By default glibc soon returns freed memory to the system, and each page that comes back is cleared and mapped anew: with
layers of some megabytes that takes several percent of a network's time, more on virtual machines.
"""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h
_KEPT = 2**28
"""Bytes at the end of the heap that are kept."""
_SINGLE = 2**25
"""Bytes from which on memory is always returned: the most that glibc allows."""
_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let glibc keep freed memory; whoever set its thresholds in the environment keeps those. Whether it was done."""
    if any(name in os.environ for name in _SETTINGS):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT)) and bool(mallopt(_MMAP_THRESHOLD, _SINGLE))
