"""The kind of file system under a store: SQLite's locks and syncs are made for local disks."""

from __future__ import annotations

from pathlib import Path

NETWORK = frozenset(
    (
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "lustre",
        "gpfs",
        "beegfs",
        "ceph",
        "glusterfs",
        "afs",
        "orangefs",
        "wekafs",
    )
)
"""Types, as Linux names them, of file systems whose disk is elsewhere."""


def network_file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """Type of the network file system that holds ``path``; None if it is a local disk, or unknown."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    place, found = path.resolve(), (0, "")
    for line in lines:
        _, mounted, kind, *_ = line.split(" ")
        folder = Path(mounted.replace("\\040", " "))
        if place.is_relative_to(folder):
            found = max(found, (len(folder.parts), kind), key=lambda one: one[0])
    kind = found[1]
    return kind if kind in NETWORK or kind.startswith("fuse.") else None
