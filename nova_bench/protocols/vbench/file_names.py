"""VBench's file names: ``{prompt}-{index}.mp4``, all in one folder. nova_bench itself never relies on such names."""

from __future__ import annotations

from pathlib import PurePosixPath

from nova_bench.protocols.base import FileNames

MOST_BYTES = 255
"""Length of the longest file name on every common file system."""


def file_name(prompt: str, index: int, suffix: str) -> str:
    """The official name of a sample. ValueError, with the reason, where no file can have it."""
    name = f"{prompt}-{index}{suffix}"
    if "/" in name or "\0" in name:
        raise ValueError("a file name can't hold a slash or NUL")
    if name.startswith("."):
        raise ValueError("a name that begins with a dot is a hidden file, which readers leave out")
    if (length := len(name.encode())) > MOST_BYTES:
        raise ValueError(f"the name would have {length} bytes, more than {MOST_BYTES}")
    # Readers of the folder strip the last suffix, then the number after the last hyphen.
    if PurePosixPath(name).suffix != suffix:
        raise ValueError("the name would be read as another one")
    return name


FILE_NAMES = FileNames(
    name="vbench",
    summary="{prompt}-{index}.mp4",
    file_name=file_name,
    results="nova_bench.protocols.vbench.results:RESULTS",
)
