"""Compiles and loads `card_driver.cpp`: what torch's C++ code asks of CUDA, for :mod:`tests.fake_card`.

Loaded after torch, operations find a device guard. Loaded before it, autograd finds a device as well; this changes what
torch says of the whole process, so it belongs into a process of its own.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".cpp")
NO_COMPILER = "needs a C++ compiler for tests/card_driver.cpp"


@cache
def load_driver() -> bool:
    """Load it into this process; returns whether that was possible. Doesn't import torch."""
    compiler = shutil.which("g++") or shutil.which("c++")
    found = find_spec("torch")
    if compiler is None or found is None or found.origin is None:
        return False
    torch = Path(found.origin).parent
    # the library finds this very torch: with another environment's it couldn't be loaded once that is gone
    key = hashlib.sha256(f"{version('torch')} {torch} {SOURCE.read_text()}".encode()).hexdigest()[:16]
    library = Path(tempfile.gettempdir()) / f"nova_bench-card-{os.getuid()}-{key}.so"
    if not library.exists():
        library_folder = torch / "lib"
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / "driver.so"
            command = [compiler, "-std=c++20", "-O0", "-shared", "-fPIC", f"-I{torch / 'include'}", str(SOURCE)]
            command += ["-o", str(made), f"-L{library_folder}", "-lc10", "-ltorch_cpu", f"-Wl,-rpath,{library_folder}"]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                return False  # no headers, or those of another release
            os.replace(made, library)
    ctypes.CDLL(str(library))
    return True
