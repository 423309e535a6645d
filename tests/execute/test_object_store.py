"""Samples travel through S3, spoken to by s3fs over HTTP; the server is a stand-in (moto) that keeps them in memory."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nova_bench.core.errors import UserError
from nova_bench.pipeline.exchange import Exchange
from nova_bench.pipeline.place import Place
from tests.warm import PATIENCE_SECONDS

missing = [name for name in ("moto", "s3fs") if importlib.util.find_spec(name) is None]
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of an S3 server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until and process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{address}/moto-api/", timeout=5):
                break
            time.sleep(0.1)
        yield address
        process.kill()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A new bucket that this process and its workers may use."""
    import boto3

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    name = f"samples-{abs(hash(tmp_path)):x}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


def names(bucket: str) -> list[str]:
    import boto3

    return [entry["Key"] for entry in boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=needs_ray)])
def test_workers_that_share_a_bucket_alone_give_the_same_rows(
    executor: str,
    bucket: str,
    run_library: Callable,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    expected = run_library("inline")
    monkeypatch.setattr(Place, "__reduce__", lambda self: (Place, (Path("/nowhere"), self.mark, self.exchange)))
    assignments = (f"execution.executor={executor}", "execution.workers=2", "execution.batch_size=2")
    assert run_library("store", f"execution.exchange=s3://{bucket}/run", *assignments) == expected
    found = names(bucket)
    assert len(found) == 6, "six samples, and no mark"
    assert all(name.startswith("run/") for name in found)


def test_a_folder_that_nothing_is_in_yet_is_empty_and_a_bucket_that_is_missing_is_not_made(bucket: str) -> None:
    import boto3

    assert Exchange(f"s3://{bucket}/new").names() == set()
    typo = Exchange(f"s3://{bucket}-typo/run")
    with pytest.raises(UserError, match=f"s3://{bucket}-typo/run: can't exchange samples there: "), typo.mark():
        pass
    assert f"{bucket}-typo" not in [entry["Name"] for entry in boto3.client("s3").list_buckets()["Buckets"]]
