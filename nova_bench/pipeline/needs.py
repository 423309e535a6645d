"""Files that a suite's scorers need and that aren't here: one line with the command that fetches them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nova_bench.assets import Asset, asset_state, get_asset
from nova_bench.assets.cache import AssetState, megabytes
from nova_bench.config.catalog import PROMPT_SOURCES, SCORERS
from nova_bench.config.suite import Suite
from nova_bench.config.suite_files import known_suites

_NAMED = 2
"""A line with more files than this gives their number."""


def suite_assets(suite: Suite) -> tuple[str, ...]:
    """Names of all assets of a suite's prompts and scorers, each once."""
    source = suite.prompts.source if suite.prompts and not suite.prompts.source_file else None
    names = [*(PROMPT_SOURCES.get(source).assets if source else ())]
    names += [name for use in suite.scorers for name in SCORERS.get(use.name).with_settings(use.settings).assets]
    return tuple(dict.fromkeys(names))


def absent_assets(names: Iterable[str]) -> tuple[Asset, ...]:
    """Those assets that are missing or damaged, each once."""
    return tuple(get_asset(name) for name in dict.fromkeys(names) if asset_state(name) != AssetState.HERE)


def fetch_line(assets: Sequence[Asset], suite: str = "") -> str:
    """``raft-things.pth (21 MB): python -m nova_bench assets fetch raft-things``.

    Several assets are fetched by the name of the ``suite`` that needs them, if it is one that the command knows.
    """
    few = len(assets) <= _NAMED
    what = ", ".join(asset.title for asset in assets) if few else f"{len(assets)} files"
    by_suite = len(assets) > 1 and suite in known_suites()
    names = [suite] if by_suite else [asset.name for asset in assets]
    size = sum(asset.size for asset in assets)
    stated = f" ({megabytes(size)})" if size else ""
    return f"{what}{stated}: python -m nova_bench assets fetch {' '.join(names)}"
