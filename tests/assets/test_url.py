"""Files behind a URL: resumed, checked, kept, and what is told when they can't be had."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nova_bench.assets import ASSETS, AssetFile, UrlSource, asset_digest, asset_path, asset_state
from nova_bench.assets.cache import AssetState, cache_folder
from nova_bench.assets.fetch import fetch
from nova_bench.core.errors import MissingAsset, UserError
from tests.http_stand_in import CONTENT, StandIn


def here() -> Path:
    return cache_folder() / "weights" / "weights.bin"


def part() -> Path:
    return cache_folder() / "weights" / "weights.bin.part"


def test_a_file_comes_whole_and_only_once(url_asset: Callable, server: StandIn) -> None:
    url_asset()
    pieces: list[int] = []
    assert fetch("weights", pieces.append) == here()
    assert here().read_bytes() == CONTENT
    assert sum(pieces) == len(CONTENT)
    assert asset_state("weights") == AssetState.HERE
    assert asset_path("weights") == here()
    fetch("weights", pieces.append)
    assert sum(pieces) == 2 * len(CONTENT)
    assert server.requests == [("GET", "/weights.bin", None)]


def test_a_cut_download_continues_where_it_stopped(url_asset: Callable, server: StandIn) -> None:
    url_asset()
    server.cut_after = 400_000
    with pytest.raises(MissingAsset, match=f"cut off after 400000 of {len(CONTENT)} bytes") as caught:
        fetch("weights")
    assert "repeat the command to continue" in caught.value.remedy
    assert asset_state("weights") == AssetState.MISSING
    with pytest.raises(MissingAsset, match="cut off after 800000"):
        fetch("weights")
    server.cut_after = None
    pieces: list[int] = []
    fetch("weights", pieces.append)
    assert here().read_bytes() == CONTENT
    assert sum(pieces) == len(CONTENT)
    assert [wanted for _, _, wanted in server.requests] == [None, "bytes=400000-", "bytes=800000-"]
    assert not part().exists()


def test_a_server_without_ranges_begins_anew(url_asset: Callable, server: StandIn) -> None:
    url_asset()
    server.cut_after, server.ranges = 400_000, False
    with pytest.raises(MissingAsset):
        fetch("weights")
    server.cut_after = None
    pieces: list[int] = []
    fetch("weights", pieces.append)
    assert (here().read_bytes(), sum(pieces)) == (CONTENT, len(CONTENT))


def test_a_download_that_only_lacked_its_place_needs_no_network(url_asset: Callable, server: StandIn) -> None:
    url_asset()
    part().parent.mkdir(parents=True)
    part().write_bytes(CONTENT)
    fetch("weights")
    assert (here().read_bytes(), server.requests) == (CONTENT, [])


@pytest.mark.parametrize("served", [b"x" * len(CONTENT), CONTENT + b"more of it" * 1000])
def test_other_bytes_than_published_are_refused_and_not_kept(url_asset: Callable, served: bytes) -> None:
    url_asset(served=served)
    if served.startswith(CONTENT):
        fetch("weights")  # what was published is a beginning of what came, and nothing more is read
        assert here().read_bytes() == CONTENT
        return
    with pytest.raises(UserError, match=r"SHA-256 .* was published"):
        fetch("weights")
    assert not here().exists()
    assert not part().exists()


def test_a_part_that_is_longer_than_the_servers_file_does_not_stay_in_the_way(
    url_asset: Callable, server: StandIn
) -> None:
    url_asset(served=CONTENT[:1000])
    part().parent.mkdir(parents=True)
    part().write_bytes(b"y" * 2000)
    with pytest.raises(MissingAsset, match="HTTP 416"):
        fetch("weights")
    server.files["/weights.bin"] = CONTENT
    fetch("weights")
    assert here().read_bytes() == CONTENT


def test_a_file_the_server_does_not_have_is_told(url_asset: Callable, server: StandIn) -> None:
    url_asset()
    server.files.clear()
    with pytest.raises(MissingAsset, match="HTTP 404"):
        fetch("weights")


def test_no_network_is_told(url_asset: Callable, server: StandIn) -> None:
    url_asset()
    server.shutdown()
    server.server_close()
    with pytest.raises(MissingAsset, match="refused") as caught:
        fetch("weights")
    assert "check the network" in caught.value.remedy


@pytest.mark.parametrize("variable", ["NOVA_BENCH_OFFLINE", "HF_HUB_OFFLINE", None])
def test_offline_touches_no_network_and_says_where_to_put_the_file(
    url_asset: Callable, server: StandIn, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    url_asset()
    if variable:
        monkeypatch.setenv(variable, "1")
    with pytest.raises(MissingAsset) as caught:
        fetch("weights", offline=variable is None)
    assert caught.value.remedy == f"put it at {here()}"
    here().parent.mkdir(parents=True)
    here().write_bytes(CONTENT)
    assert fetch("weights", offline=True) == here()
    assert server.requests == []


def test_a_missing_asset_says_how_to_get_it(url_asset: Callable) -> None:
    asset = url_asset()
    with pytest.raises(MissingAsset) as caught:
        asset_path("weights")
    assert caught.value.message == "needs weights.bin (weights of a test, 1.0 MB)"
    assert caught.value.remedy == f"python -m nova_bench assets fetch weights, or put it at {here()}"
    assert caught.value.exit_code == 3
    assert asset_digest("weights") == asset.sha256 == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("damage", [b"", b"short", b"z" * len(CONTENT)])
def test_a_damaged_file_is_told_and_replaced(url_asset: Callable, damage: bytes) -> None:
    url_asset()
    fetch("weights")
    here().write_bytes(damage)
    assert asset_state("weights") == AssetState.DAMAGED
    with pytest.raises(UserError, match=r"differs from the published weights.bin"):
        asset_path("weights")
    fetch("weights")
    assert here().read_bytes() == CONTENT


def test_damage_that_kept_size_and_date_is_seen(url_asset: Callable) -> None:
    url_asset()
    fetch("weights")
    status = here().stat()
    here().write_bytes(b"z" * len(CONTENT))
    os.utime(here(), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert asset_state("weights") == AssetState.DAMAGED
    assert asset_state("weights", thorough=True) == AssetState.DAMAGED
    assert asset_state("weights") == AssetState.DAMAGED


def test_a_file_put_there_by_hand_is_checked(url_asset: Callable) -> None:
    url_asset()
    here().parent.mkdir(parents=True)
    here().write_bytes(CONTENT)
    assert asset_path("weights") == here()


def test_a_cache_that_can_not_take_notes_still_serves(url_asset: Callable) -> None:
    url_asset()
    here().parent.mkdir(parents=True)
    here().write_bytes(CONTENT)
    (here().parent / ".verified.json").mkdir()  # stands for a read-only folder, which the superuser could write to
    assert asset_path("weights") == here()
    assert fetch("weights") == here()


def test_a_cache_that_can_not_be_made_is_told(
    url_asset: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url_asset()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NOVA_BENCH_ASSETS", str(tmp_path / "file" / "assets"))
    with pytest.raises(UserError, match=r"can't be (written|read)"):
        fetch("weights")


def test_two_at_once_fetch_once(url_asset: Callable, server: StandIn) -> None:
    url_asset()
    threads = [threading.Thread(target=fetch, args=("weights",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert here().read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_an_unknown_asset_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"unknown asset 'vbench-prompt'; did you mean 'vbench-prompts'[?]"):
        fetch("vbench-prompt")


def test_the_catalog_is_sound() -> None:
    for name, asset in ASSETS.items():
        assert name == asset.name
        assert asset.files
        assert all(
            len(file.sha256 or "0" * 64) == 64 and file.size > 0 and ".." not in file.path for file in asset.files
        )
        assert asset.licence
        if isinstance(asset.source, UrlSource):
            assert asset.source.url.endswith("/") or len(asset.files) == 1


def test_a_file_without_a_published_digest_is_taken_by_the_one_it_has(
    url_asset: Callable, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = url_asset()
    unknown = replace(asset, files=(AssetFile("weights.bin", None, 7, approximate=True),))
    monkeypatch.setitem(ASSETS, "weights", unknown)
    assert asset_digest("weights") == "unknown"
    assert asset_state("weights") == AssetState.MISSING
    server.cut_after = 400_000
    with pytest.raises(MissingAsset, match=f"cut off after 400000 of {len(CONTENT)} bytes"):
        fetch("weights")
    server.cut_after = None
    assert fetch("weights").read_bytes() == CONTENT
    assert [wanted for _, _, wanted in server.requests if wanted] == ["bytes=400000-"]  # the same ETag: it continues
    assert {path.name for path in here().parent.glob("weights*")} == {"weights.bin"}
    assert asset_digest("weights") == hashlib.sha256(CONTENT).hexdigest()
    here().write_bytes(b"another file")
    assert asset_state("weights") == AssetState.HERE
    assert asset_digest("weights") == hashlib.sha256(b"another file").hexdigest()


def test_a_partial_file_of_another_version_is_not_continued(
    url_asset: Callable, server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = url_asset()
    monkeypatch.setitem(ASSETS, "weights", replace(asset, files=(AssetFile("weights.bin", None, 7, approximate=True),)))
    server.cut_after = 400_000
    with pytest.raises(MissingAsset, match="cut off"):
        fetch("weights")
    server.cut_after = None
    server.files["/weights.bin"] = CONTENT[::-1]
    assert fetch("weights").read_bytes() == CONTENT[::-1]
    assert [wanted for _, _, wanted in server.requests if wanted] == []


def test_a_known_digest_counts_even_where_the_size_is_not_known(
    url_asset: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = url_asset(served=b"something else")
    monkeypatch.setitem(ASSETS, "weights", replace(asset, files=(replace(asset.files[0], size=7, approximate=True),)))
    with pytest.raises(UserError, match="was published"):
        fetch("weights")
    here().write_bytes(b"put there by hand")
    assert asset_state("weights") == AssetState.DAMAGED
