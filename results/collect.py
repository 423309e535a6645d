"""Copy a suite's newest run from a store to a folder here, without videos and without this machine's paths.

Usage: python results/collect.py STORE FOLDER [SUITE] [--pictures-only]     (SUITE: tiny)

With --pictures-only tables and figures alone, where a suite's rows are too many to keep.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from pathlib import Path

KEPT = {".json", ".md", ".tex", ".svg"}


def collect(store: Path, target: Path, suite: str = "tiny", rows: bool = True) -> None:
    """Tables and figures of the newest run of ``suite`` in ``store``, with the rows behind them and the manifests."""
    shutil.rmtree(target, ignore_errors=True)
    copy_report(store, target, suite)
    write_about(target, about(store, suite))
    if rows:
        copy_rows(store, target)
        copy_manifests(store, target)


def copy_rows(store: Path, target: Path) -> None:
    """The store's database."""
    shutil.copy(store / "store.sqlite", target)
    with sqlite3.connect(target / "store.sqlite") as rows:
        rows.execute("DELETE FROM remembered_digests")
        # Where first frames and references lay matters to nobody: they are made again when they are needed.
        for run, position, record in rows.execute("SELECT run, position, record FROM run_units").fetchall():
            rows.execute(
                "UPDATE run_units SET record = ? WHERE run = ? AND position = ?",
                (_without_folders(record), run, position),
            )
    with sqlite3.connect(target / "store.sqlite") as rows:
        rows.execute("VACUUM")


def copy_report(store: Path, target: Path, suite: str) -> None:
    """What the newest run of ``suite`` shows."""
    with sqlite3.connect(f"file:{store / 'store.sqlite'}?mode=ro", uri=True) as database:
        newest = "SELECT name FROM runs WHERE name LIKE ? ORDER BY created DESC"
        (name,) = database.execute(newest, [f"{suite}-______"]).fetchone()
    for part in ("tables", "figures"):
        for path in sorted((store / name / "report" / part).rglob("*")):
            if path.suffix in KEPT:
                copy = target / part / path.relative_to(store / name / "report" / part)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)


def about(store: Path, suite: str) -> dict[str, str]:
    """Date, version and device of the last measurement for ``suite``: what a page says of results it shows again."""
    manifests = [json.loads(path.read_text(encoding="utf-8")) for path in store.glob(f"{suite}*/manifest.json")]
    ran = [invocation for manifest in manifests for invocation in manifest.get("invocations", ())]
    if not ran:
        return {"suite": suite}
    last = max(ran, key=lambda invocation: invocation["ended"])
    device = ", ".join(last["device"].values())
    return {"suite": suite, "date": last["ended"][:10], "nova_bench": last["nova_bench"], "device": device}


def write_about(target: Path, facts: dict[str, str]) -> None:
    """The file that `results` of a collection's part needs beside tables and figures."""
    (target / "about.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def copy_manifests(store: Path, target: Path) -> None:
    """What every run of the store was made with."""
    (target / "manifests").mkdir(parents=True)
    for path in sorted(store.glob("*/manifest.json")):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        for invocation in manifest.get("invocations", ()):
            invocation["command"] = [Path(part).name if Path(part).is_absolute() else part
                                     for part in invocation["command"]]  # fmt: skip
        suite = manifest.get("suite") or {}
        for entry in (*suite.get("arms", ()), *suite.get("parts", ())):
            for shown in ("training", "stability", "earlier"):  # megabytes, which the database has too
                entry.pop(shown, None)
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
    words = [word for word in sys.argv[1:] if word != "--pictures-only"]
    collect(Path(words[0]), Path(words[1]), *words[2:], rows="--pictures-only" not in sys.argv)
