"""A store on a network file system is told from one on a local disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_bench.store.file_system import network_file_system

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/nvme0 /home/scratch xfs rw 0 0
me@host: /mnt/far\\040away fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/runs", None),
        ("/home/me/runs", "nfs4"),
        ("/home/scratch/runs", None),
        ("/homeless", None),
        ("/mnt/far away/runs", "fuse.sshfs"),
    ],
)
def test_the_innermost_mount_decides(path: str, kind: str | None, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert network_file_system(Path(path), mounts) == kind


def test_where_nobody_says_so_it_is_unknown(tmp_path: Path) -> None:
    assert network_file_system(tmp_path, tmp_path / "absent") is None
