"""Every weight, prompt list and question file: where it comes from, its digest, licence and size; fetch and verify."""

from nova_bench.assets.cache import asset_digest, asset_path, asset_state
from nova_bench.assets.catalog import ASSETS, Asset, AssetFile, HubSource, PackageSource, UrlSource, get_asset

__all__ = [
    "ASSETS",
    "Asset",
    "AssetFile",
    "HubSource",
    "PackageSource",
    "UrlSource",
    "asset_digest",
    "asset_path",
    "asset_state",
    "get_asset",
]
