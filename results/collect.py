"""Copy a suite's newest run from a store to a folder here, without videos and without this machine's paths.

Usage: python results/collect.py STORE FOLDER [SUITE]     (SUITE: tiny)
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from pathlib import Path

KEPT = {".json", ".md", ".tex", ".svg"}


def collect(store: Path, target: Path, suite: str = "tiny") -> None:
    """Tables, figures and manifests of the newest run of ``suite`` in ``store``, and the rows that they are made of."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "manifests").mkdir(parents=True)
    shutil.copy(store / "store.sqlite", target)
    with sqlite3.connect(target / "store.sqlite") as rows:
        rows.execute("DELETE FROM file_digests")
        # Where first frames and references lay matters to nobody: they are made again when they are needed.
        for run, position, record in rows.execute("SELECT run, position, record FROM run_units").fetchall():
            rows.execute(
                "UPDATE run_units SET record = ? WHERE run = ? AND position = ?",
                (_without_folders(record), run, position),
            )
        newest = "SELECT name FROM runs WHERE name LIKE ? ORDER BY created DESC"
        (name,) = rows.execute(newest, [f"{suite}-______"]).fetchone()
    with sqlite3.connect(target / "store.sqlite") as rows:
        rows.execute("VACUUM")
    for part in ("tables", "figures"):
        for path in sorted((store / name / "report" / part).rglob("*")):
            if path.suffix in KEPT or path.name == "contact_sheet.png":
                copy = target / part / path.relative_to(store / name / "report" / part)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
    for path in sorted(store.glob("*/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for invocation in manifest.get("invocations", ()):
            invocation["command"] = [Path(part).name if Path(part).is_absolute() else part
                                     for part in invocation["command"]]  # fmt: skip
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (target / "manifests" / f"{path.parent.name}.json").write_text(text, encoding="utf-8")


def _without_folders(record: str) -> str:
    """A unit's record with the file names of its paths only."""
    unit = json.loads(record)
    for key in ("image", "reference", "source"):
        if unit.get(key):
            unit[key] = Path(unit[key]).name
    return json.dumps(unit)


if __name__ == "__main__":
    collect(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
