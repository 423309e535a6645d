"""`nova_bench store`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nova_bench.cli.ending import ends_with_code
from nova_bench.errors import ExitCode

app = typer.Typer(
    help="Look after a store: list its runs, verify its files, restore a damaged one.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the store.")]


@app.command("runs")
@ends_with_code
def list_runs(folder: Folder = Path("runs")) -> ExitCode:
    """The runs in a store, newest first."""
    from nova_bench.store import Store

    with Store.reader(folder) as store:
        for name, _, created in store.run_names():
            print(f"{created}  {name}")
    return ExitCode.PASS


@app.command("verify")
@ends_with_code
def verify_store(folder: Folder = Path("runs")) -> ExitCode:
    """Read every video again and compare it with its SHA-256."""
    from nova_bench.store import Store

    damaged = 0
    with Store.reader(folder) as store:
        for path, problem in store.verify():
            print(f"{path}: {problem}")
            damaged += 1
    print(f"{damaged} damaged" if damaged else "all files are intact")
    if damaged:
        print("delete the damaged files inside the store: the next run makes them again")
    return ExitCode.INCOMPLETE if damaged else ExitCode.PASS


@app.command("restore")
@ends_with_code
def restore_store(folder: Folder = Path("runs")) -> ExitCode:
    """Put the last backup in the place of a damaged database; the damaged file is kept."""
    from nova_bench.store.repair import restore

    restored = restore(folder)
    print("restored from the backup of the last finished run" if restored.from_backup else "no backup: began anew")
    print(f"videos found beyond it: {restored.videos}")
    if restored.kept:
        print(f"the damaged database is kept as {restored.kept}")
    return ExitCode.PASS
