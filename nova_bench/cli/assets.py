"""`nova_bench assets`."""

from __future__ import annotations

from typing import Annotated

import typer

from nova_bench.cli.ending import ends_with_code
from nova_bench.errors import ExitCode

app = typer.Typer(help="Weights, prompt lists and question files: list, fetch, verify.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Assets; all of them if none is given.")]


@app.command("list")
@ends_with_code
def list_assets() -> ExitCode:
    """Every asset with its state here, size, licence and origin."""
    from tabulate import tabulate

    from nova_bench.assets import ASSETS, asset_state
    from nova_bench.assets.cache import cache_folder, megabytes

    rows = [
        [asset.name, asset_state(asset.name), megabytes(asset.size), asset.licence, asset.summary, str(asset.source)]
        for asset in ASSETS.values()
    ]
    print(tabulate(rows, ["asset", "state", "size", "licence", "what", "from"]))
    print(f"kept in {cache_folder()} (NOVA_BENCH_ASSETS)")
    return ExitCode.PASS


@app.command("fetch")
@ends_with_code
def fetch_assets(
    names: Names = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
) -> ExitCode:
    """Bring assets here and check them. A download that was cut off continues."""
    from nova_bench.assets import ASSETS, get_asset
    from nova_bench.assets.fetch import fetch
    from nova_bench.progress import Progress

    progress = Progress()
    for name in names or ASSETS:
        with progress.stage(name, get_asset(name).size) as advance:
            path = fetch(name, advance, offline)
        print(f"{name}: {path}")
    return ExitCode.PASS


@app.command("verify")
@ends_with_code
def verify_assets(names: Names = None) -> ExitCode:
    """Read assets again and compare them with their SHA-256."""
    from nova_bench.assets import ASSETS, asset_state, get_asset
    from nova_bench.assets.cache import AssetState

    states = {name: asset_state(get_asset(name).name, thorough=True) for name in names or ASSETS}
    for name, state in states.items():
        print(f"{name}: {state}")
    return ExitCode.PASS if all(state == AssetState.HERE for state in states.values()) else ExitCode.INCOMPLETE
