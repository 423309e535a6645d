"""`nova_bench assets`."""

from __future__ import annotations

from typing import Annotated

import typer

from nova_bench.cli import options
from nova_bench.cli.ending import ends_with_code, tell
from nova_bench.errors import ExitCode, UserError

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
    quiet: options.Quiet = False,
) -> ExitCode:
    """Bring assets here and compare them with their SHA-256. A download that was cut off continues."""
    from nova_bench.assets import ASSETS, get_asset
    from nova_bench.assets.fetch import fetch
    from nova_bench.progress import Progress

    progress = Progress(quiet)
    code = ExitCode.PASS
    for asset in [get_asset(name) for name in names or ASSETS]:
        try:
            with progress.stage(asset.name, asset.size, "bytes") as advance:
                path = fetch(asset.name, advance, offline)
            print(f"{asset.name}: {path}")
        except UserError as error:  # the others may still come
            code = tell(error)
    return code


@app.command("verify")
@ends_with_code
def verify_assets(names: Names = None) -> ExitCode:
    """Read assets again and compare them with their SHA-256."""
    from nova_bench.assets import ASSETS, asset_state, get_asset
    from nova_bench.assets.cache import AssetState

    assets = [get_asset(name) for name in names or ASSETS]
    states = {asset.name: asset_state(asset.name, thorough=True) for asset in assets}
    for name, state in states.items():
        remedy = "" if state == AssetState.HERE else f": python -m nova_bench assets fetch {name}"
        print(f"{name}: {state}{remedy}")
    return ExitCode.PASS if all(state == AssetState.HERE for state in states.values()) else ExitCode.INCOMPLETE
