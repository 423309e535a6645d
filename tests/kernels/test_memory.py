"""Freed memory stays with the process, unless the user's environment says otherwise."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CODE = """
import resource
import torch
from nova_bench.kernels.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

done = keep_freed_memory()
faults()
print(done, faults())
"""


def run(**environment: str) -> tuple[str, int]:
    out = subprocess.run(
        [sys.executable, "-c", CODE],
        env={"PATH": "/usr/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return out[0], int(out[1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_used_again() -> None:
    done, faults = run()
    assert done == "True"
    assert faults < 200  # 20 times 8 MB are 40,000 pages


def test_the_environment_comes_first() -> None:
    assert run(MALLOC_TRIM_THRESHOLD_="100000")[0] == "False"
