"""Files of a model hub, from a stand-in on this machine: shared cache, resume, offline, gated, damaged."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_bench.assets import HubSource
from tests.http_stand_in import CONTENT, StandIn

REVISION = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b"{}", "unet/weights.bin": CONTENT}

# The hub's library reads its settings when it is imported: each try gets a process of its own.
CHILD = """
import json, sys
from nova_bench.assets import ASSETS, Asset, AssetFile, HubSource, asset_path, asset_state
from nova_bench.assets.fetch import fetch
from nova_bench.core.errors import UserError

folder, files, command = json.loads(sys.argv[1])
source = HubSource("somebody/a-model", "0123456789abcdef0123456789abcdef01234567", folder)
ASSETS["model"] = Asset("model", "a model", source, tuple(AssetFile(*file) for file in files), "MIT")
answer, pieces = {}, []
try:
    answer["path"] = str(fetch("model", pieces.append) if command == "fetch" else asset_path("model"))
except UserError as error:
    answer.update(error=type(error).__name__, message=error.message, remedy=error.remedy)
answer.update(state=asset_state("model"), bytes=sum(pieces))
print(json.dumps(answer))
"""


@pytest.fixture
def hub(server: StandIn) -> StandIn:
    server.headers = {"X-Repo-Commit": REVISION}
    for name, content in FILES.items():
        server.files[f"/somebody/a-model/resolve/{REVISION}/{name}"] = content
    return server


@pytest.fixture
def ask(hub: StandIn, environment: dict[str, str], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Ask for files of the stand-in hub in a process of its own."""

    def ask(names: list[str], command: str = "fetch", folder: str = "", **more: str) -> dict[str, Any]:
        prefix = f"{folder}/" if folder else ""
        files = [(n, hashlib.sha256(FILES[prefix + n]).hexdigest(), len(FILES[prefix + n])) for n in names]
        unset = ("HF_HUB_OFFLINE", "NOVA_BENCH_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN")
        variables = {name: value for name, value in environment.items() if name not in unset}
        variables |= {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", **more}
        result = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps([folder, files, command])],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return ask


def test_a_file_lands_in_the_hubs_own_cache(ask: Callable[..., dict], tmp_path: Path, hub: StandIn) -> None:
    before = ask(["config.json"], "path")
    assert (before["error"], before["state"]) == ("MissingAsset", "missing")
    answer = ask(["config.json"])
    snapshot = tmp_path / "hf/hub/models--somebody--a-model/snapshots" / REVISION
    assert answer == {"path": str(snapshot / "config.json"), "state": "here", "bytes": 2}
    assert (snapshot / "config.json").read_bytes() == b"{}"
    asked = len(hub.requests)
    assert ask(["config.json"], "path", HF_HUB_OFFLINE="1")["path"] == answer["path"]
    assert ask(["config.json"])["bytes"] == 2
    assert len(hub.requests) == asked


def test_several_files_are_a_folder(ask: Callable[..., dict]) -> None:
    answer = ask(list(FILES))
    assert answer["bytes"] == sum(map(len, FILES.values()))
    assert {name: (Path(answer["path"]) / name).read_bytes() for name in FILES} == FILES


def test_a_folder_of_a_repository(ask: Callable[..., dict]) -> None:
    answer = ask(["weights.bin"], folder="unet")
    assert (answer["state"], Path(answer["path"]).parts[-2:]) == ("here", ("unet", "weights.bin"))


def test_offline_touches_no_network(ask: Callable[..., dict], hub: StandIn) -> None:
    answer = ask(["config.json"], HF_HUB_OFFLINE="1")
    assert (answer["error"], answer["state"]) == ("MissingAsset", "missing")
    assert "offline" in answer["message"]
    assert hub.requests == []


@pytest.mark.slow  # the hub's library tries for half a minute
def test_a_hub_that_is_not_there_is_told(ask: Callable[..., dict]) -> None:
    answer = ask(["config.json"], HF_ENDPOINT="http://127.0.0.1:9")
    assert answer["error"] == "MissingAsset"
    assert "can't be reached" in answer["message"]
    assert "HF_ENDPOINT" in answer["remedy"]


def test_a_file_that_the_hub_lacks_is_told(ask: Callable[..., dict], hub: StandIn) -> None:
    hub.files.clear()
    hub.headers["X-Error-Code"] = "EntryNotFound"
    answer = ask(["config.json"])
    assert answer["error"] == "MissingAsset"
    assert "config.json" in answer["message"]


def test_other_bytes_than_published_are_refused_and_replaced_later(ask: Callable[..., dict], hub: StandIn) -> None:
    path = f"/somebody/a-model/resolve/{REVISION}/config.json"
    hub.files[path] = b"[]"
    answer = ask(["config.json"])
    assert (answer["error"], answer["state"]) == ("UserError", "damaged")
    assert "differs from the published file" in answer["message"]
    hub.files[path] = b"{}"
    answer = ask(["config.json"])
    assert answer["state"] == "here"


def test_a_damaged_file_is_replaced(ask: Callable[..., dict]) -> None:
    path = Path(ask(["config.json"])["path"])
    path.write_bytes(b"[]")
    assert ask(["config.json"], "path")["state"] == "damaged"
    assert ask(["config.json"])["state"] == "here"
    assert path.read_bytes() == b"{}"


def test_a_branch_is_no_revision() -> None:
    with pytest.raises(ValueError, match="'main' is not a full commit hash"):
        HubSource("somebody/a-model", "main")
