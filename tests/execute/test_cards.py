"""Each worker process sees one CUDA device: those that this process may use, under their own names."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from nova_bench.execute.cards import VISIBLE, probable_device, started_with, visible_cards
from nova_bench.execute.crew import Crew
from nova_bench.execute.local import LocalExecutor


@pytest.mark.parametrize(
    ("value", "cards"),
    [
        (None, ("0", "1", "2")),
        ("0,1", ("0", "1")),
        ("3", ("3",)),
        (" 2 , 0", ("2", "0")),
        ("", ()),
        ("-1", ()),
        ("1,-1,2", ("1",)),
        ("GPU-8f1c,GPU-22ab", ("GPU-8f1c", "GPU-22ab")),
        ("MIG-GPU-1/7/0,MIG-1c6d", ("MIG-GPU-1/7/0", "MIG-1c6d")),
    ],
)
def test_a_value_that_is_set_is_split_and_never_replaced(value: str | None, cards: tuple, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    environment = {} if value is None else {VISIBLE: value}
    assert visible_cards("cuda", environment, tmp_path) == cards
    assert visible_cards("cpu", environment, tmp_path) == visible_cards("cuda:1", environment, tmp_path) == ()


def test_without_a_driver_there_is_none(tmp_path: Path) -> None:
    assert visible_cards("cuda", {}, tmp_path / "absent") == ()
    assert probable_device("auto", tmp_path / "absent") == "cpu"


@pytest.mark.parametrize(("value", "device"), [(None, "cuda"), ("0", "cuda"), ("", "cpu"), ("-1", "cpu")])
def test_auto_is_the_driver_s_device_unless_it_is_hidden(
    value: str | None, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VISIBLE, value)
    assert probable_device("auto", tmp_path) == device
    assert probable_device("cpu", tmp_path) == "cpu"


@pytest.mark.parametrize("before", [None, "0,1"])
def test_this_process_keeps_what_it_sees(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    if before:
        monkeypatch.setenv(VISIBLE, before)
    with started_with("7"):
        assert os.environ[VISIBLE] == "7"
    assert os.environ.get(VISIBLE) == before
    with started_with(None):
        assert os.environ.get(VISIBLE) == before


class _Card:
    """What a process was started with, seen before any import of torch could look."""

    def __init__(self) -> None:
        self.seen: str | None = None

    def __setstate__(self, state: dict) -> None:
        self.seen = os.environ.get(VISIBLE)

    def __call__(self, items):
        yield from ((self.seen, os.getpid()) for _ in items)


@pytest.mark.parametrize(("workers", "each"), [(None, {"GPU-a": 1, "5": 1}), (3, {"GPU-a": 2, "5": 1})])
def test_workers_share_the_cards_evenly(workers: int | None, each: dict[str, int]) -> None:
    found, work = {}, _Card()
    with LocalExecutor(workers, 1, ("GPU-a", "5")) as executor:
        while len(found) != sum(each.values()):  # a quick worker may take all items
            found = {process: card for card, process in executor.map(work, range(40), pytest.fail, Crew(pytest.fail))}
    assert Counter(found.values()) == each
