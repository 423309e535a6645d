"""Weights, prompt lists and question files: their sources, digests, licences and sizes; fetches and verifies them."""

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
