"""Weights, prompt lists and question files: their sources, digests, licences and sizes; fetches and verifies them."""

from nova_bench.assets.cache import asset_digest, asset_path, asset_state, get_asset
from nova_bench.assets.catalog import ASSETS, Asset, AssetFile, HubSource, ModelSource, PackageSource, UrlSource
from nova_bench.assets.whole_model import model_asset_name

__all__ = [
    "ASSETS",
    "Asset",
    "AssetFile",
    "HubSource",
    "ModelSource",
    "PackageSource",
    "UrlSource",
    "asset_digest",
    "asset_path",
    "asset_state",
    "get_asset",
    "model_asset_name",
]
