"""Samples travel through an fsspec address where machines share no folder: the same rows, and clear errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nova_bench.core.errors import UserError
from nova_bench.core.identity import file_digest
from nova_bench.pipeline.exchange import Exchange
from nova_bench.pipeline.place import Place

from .conftest import forget_rows

LOCAL = ("execution.executor=local", "execution.workers=2", "execution.batch_size=2")
CONTENT = b"a sample"


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(f"file://{tmp_path}/exchange")


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "made.mp4"
    path.write_bytes(CONTENT)
    return path


def test_a_file_travels_under_its_content_s_name(exchange: Exchange, sample: Path, tmp_path: Path) -> None:
    name = exchange.put(sample)
    assert name == exchange.put(sample) == f"{file_digest(sample)}.mp4"
    assert exchange.names() == {name}
    exchange.get(name, tmp_path / "got.mp4")
    assert (tmp_path / "got.mp4").read_bytes() == CONTENT


def test_what_is_damaged_on_the_way_is_no_sample(exchange: Exchange, sample: Path, tmp_path: Path) -> None:
    name = exchange.put(sample)
    (tmp_path / "exchange" / name).write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match=rf"exchange/{name}: its content is damaged"):
        exchange.get(name, tmp_path / "got.mp4")


@pytest.mark.parametrize("address", ["nosuch://bucket/folder", "file:///proc/nova_bench"])
def test_an_address_that_cannot_be_used_is_named(address: str, sample: Path) -> None:
    with pytest.raises(UserError, match=f"{address}: can't exchange samples there: ") as caught:
        Exchange(address).put(sample)
    assert "check the address" in (caught.value.remedy or "")


def test_a_place_is_recognized_by_its_mark(exchange: Exchange, tmp_path: Path) -> None:
    with exchange.mark() as mark:
        assert Place(tmp_path, mark, exchange).is_seen()
        assert not Place(tmp_path, "another", exchange).is_seen()
    assert not Place(tmp_path, mark, exchange).is_seen()


@pytest.mark.slow
def test_workers_that_share_no_folder_give_the_same_rows(
    run_library: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their place's room doesn't exist for them: it is another folder's name."""
    expected = run_library("inline")
    monkeypatch.setattr(Place, "__reduce__", lambda self: (Place, (Path("/nowhere"), self.mark, self.exchange)))
    address = f"execution.exchange=file://{tmp_path}/exchange"
    assert run_library("local", address, *LOCAL) == expected
    there = {path.name for path in (tmp_path / "exchange").iterdir()}
    assert len(there) == 6, "six samples, and no mark"
    assert not list((tmp_path / "local/artifacts").glob(".*"))


@pytest.mark.slow
def test_samples_that_are_in_the_store_travel_to_the_workers_that_score_them(
    run_library: Callable, tmp_path: Path
) -> None:
    expected = run_library("store")
    forget_rows(tmp_path / "store")
    assert run_library("store", f"execution.exchange=file://{tmp_path}/exchange", *LOCAL) == expected
    assert len(list((tmp_path / "exchange").iterdir())) == 6


def test_without_an_exchange_workers_elsewhere_are_refused(
    run_library: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Place, "__reduce__", lambda self: (Place, (Path("/nowhere"), self.mark, self.exchange)))
    with pytest.raises(UserError, match=r"the worker on .* doesn't see the samples: /.*artifacts/\.waiting-") as caught:
        run_library("store", *LOCAL)
    assert "--store FOLDER" in (caught.value.remedy or "")


def test_what_does_not_travel_is_refused_before_anything_is_made(run_library: Callable, tmp_path: Path) -> None:
    image = tmp_path / "first.png"
    image.write_bytes(b"")
    entries = f"prompts.entries=[{{text: a cat, image: '{image}'}}]"
    with pytest.raises(UserError, match="first frames, references and finished videos don't travel"):
        run_library("store", entries, f"execution.exchange=file://{tmp_path}/exchange", *LOCAL)


def test_an_exchange_that_cannot_be_written_ends_the_run(run_library: Callable) -> None:
    with pytest.raises(UserError, match="file:///proc/nova_bench: can't exchange samples there"):
        run_library("store", "execution.exchange=file:///proc/nova_bench", *LOCAL)
