"""`nova_bench assets`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nova_bench.assets import ASSETS, asset_digest, asset_state
from nova_bench.assets.cache import AssetState, cache_folder, megabytes
from nova_bench.assets.fetch import fetch, is_offline
from nova_bench.assets.whole_model import is_model
from nova_bench.cli import options
from nova_bench.cli.ending import ends_with_code, tell_all
from nova_bench.config.loading import load_suite
from nova_bench.config.suite_files import MODELS, known_suites
from nova_bench.core.errors import ExitCode, MissingAsset, UserError
from nova_bench.core.progress import Progress
from nova_bench.core.registry import unknown_name
from nova_bench.core.standard_streams import print_line
from nova_bench.experiments.registry import BENCHMARK, kind_of
from nova_bench.models.fetching import fetch_model, model_problem
from nova_bench.models.published import (
    CHECKPOINTS,
    checkpoint_path,
    checkpoint_state,
    fetch_command,
    is_hub_id,
)
from nova_bench.models.shorthand import model_checkpoints, model_section
from nova_bench.pipeline.needs import suite_assets

app = typer.Typer(help="Weights, prompt lists and question files: list, fetch, verify.", no_args_is_help=True)

GROUPS = {"lpips": ("alexnet", "lpips-alex")}
"""What belongs together and isn't a suite's, by name."""

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Assets; all of them if none is given.")]


@app.command("list")
@ends_with_code
def list_assets() -> ExitCode:
    """Every asset and checkpoint with its state here, size, licence and origin."""
    from tabulate import tabulate

    rows = [
        [asset.name, asset_state(asset.name), megabytes(asset.size), asset.licence, asset.summary, str(asset.source)]
        for asset in ASSETS.values()
    ]
    rows += [
        [
            found.name,
            checkpoint_state(found.name),
            f"~{megabytes(found.size)}",
            found.licence,
            found.summary,
            found.repo_id or "comes with nova_bench",
        ]
        for found in CHECKPOINTS.values()
    ]
    print(tabulate(rows, ["asset", "state", "size", "licence", "what", "from"]))
    print_line(f"kept in {cache_folder()} (NOVA_BENCH_ASSETS), checkpoints in the hub's cache (HF_HOME)")
    return ExitCode.PASS


@app.command("fetch")
@ends_with_code
def fetch_assets(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Assets, checkpoints, hub ids (owner/name), models of suites/models, judges' models (hub:owner/name), "
            "lpips, or suites (vbench, dpg): all that their scorers need.",
        ),
    ],
    revision: Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit of a checkpoint.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.")] = False,
    quiet: options.Quiet = False,
) -> ExitCode:
    """Download assets and verify their digests. An interrupted download continues."""
    failed: list[UserError] = []
    for name in dict.fromkeys(member for given in names for member in _members(given)):
        try:
            print_line(f"{name}: {_fetched(name, revision, offline, quiet)}")
        except UserError as error:  # the other downloads may still succeed
            failed.append(error)
    return tell_all(failed)


def _members(name: str) -> tuple[str, ...]:
    """The assets that a suite's prompts and scorers need, or a model's checkpoints; otherwise ``name`` itself."""
    if (name not in known_suites() and name in known_suites(MODELS)) or Path(name).parent == Path("suites", MODELS):
        return tuple(model_checkpoints(model_section(name)))
    if name in GROUPS:
        return GROUPS[name]
    if name in ASSETS or name in CHECKPOINTS or not (name in known_suites() or name.endswith(".yaml")):
        return (name,)
    if (kind := kind_of(name)) != BENCHMARK:
        raise UserError(f"{name}: a {kind}, which has no scorers of its own", "name the suite that its parts extend")
    return suite_assets(load_suite(name))


def _fetched(name: str, revision: str | None, offline: bool, quiet: bool) -> str:
    """Where an asset or a checkpoint is, once it is here."""
    if is_model(name):
        return str(fetch(name, offline=offline))
    if name not in ASSETS:
        if name not in CHECKPOINTS and not is_hub_id(name):
            raise unknown_name("asset", name, [*ASSETS, *CHECKPOINTS, *known_suites(MODELS), *known_suites()])
        found = checkpoint_path(name, revision) if offline or is_offline() else fetch_model(name, revision)
        return str(found)
    with Progress(quiet).stage(name, ASSETS[name].size, "bytes") as advance:
        path = fetch(name, advance, offline)
    recorded = f" (none is published; recorded SHA-256 {asset_digest(name)})" if ASSETS[name].sha256 is None else ""
    return f"{path}{recorded}"


@app.command("verify")
@ends_with_code
def verify_assets(names: Names = None) -> ExitCode:
    """Verify the digests of assets; without names, of everything on this machine.

    A checkpoint (or a folder that holds one) must also be complete: weights, tokenizer and all configurations.
    """
    code = ExitCode.PASS
    for name in names or (*ASSETS, *CHECKPOINTS):
        state, problem = _verified(name)
        if not names and state == "missing":
            continue
        print_line(f"{name}: {state}" + (f": {problem}" if problem else ""))
        code = ExitCode.INCOMPLETE if problem else code
    return code


def _verified(name: str) -> tuple[str, str]:
    """State of an asset, checkpoint or checkpoint folder, and its problem or the command that fetches it."""
    if name in ASSETS or is_model(name):
        state = asset_state(name, thorough=True)
        return state, "" if state == AssetState.HERE else fetch_command(name)
    is_folder = name not in CHECKPOINTS and Path(name).is_dir()
    try:
        folder = Path(name) if is_folder else checkpoint_path(name)
    except MissingAsset:
        return AssetState.MISSING, fetch_command(name)
    if problem := model_problem(folder):
        return AssetState.DAMAGED, problem if is_folder else f"{problem}: {fetch_command(name)}"
    return AssetState.HERE, ""
