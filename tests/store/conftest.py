"""What a store holds, as plain values that can be compared bit by bit."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nova_bench.store import Store


@pytest.fixture
def contents() -> Callable[[Path], dict[str, Any]]:
    """Everything of a store that must not depend on how often it was interrupted."""

    def read(root: Path) -> dict[str, Any]:
        with Store.reader(root) as store:
            assert list(store.verify()) == []
            # Where a shorter run went before, the longest one is compared.
            stored = max((store.run(run) for _, run, _ in store.run_names()), key=lambda run: len(run.units))
            name, run = stored.name, stored.run
            rows = store.rows((scorer["identity"] for scorer in stored.scorers), details=True)
            artifacts = store.artifacts(unit["digest"] for unit in stored.units)
        assert not list(root.rglob("*.tmp"))
        assert not list(root.rglob(".writing-*"))
        return {
            "run": (name, run, stored.units, stored.scorers),
            "artifacts": {
                unit: (found.sha256, hashlib.sha256(found.path.read_bytes()).hexdigest())
                for unit, found in artifacts.items()
            },
            "rows": {
                key: (row.status, row.value if row.value is None else row.value.hex(), row.weight, row.details)
                for key, row in rows.items()
            },
            "samples.csv": (root / name / "report" / "samples.csv").read_bytes(),
        }

    return read


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount (or, called again, resize) a small file system; skips where that is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def mount(options: str) -> Path:
        nonlocal mounted
        how = f"remount,{options}" if mounted else options
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", how, "tmpfs", str(folder)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"can't mount a tmpfs: {done.stderr.strip()}")
        mounted = True
        return folder

    try:
        yield mount
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)
