"""`run --shard` in several stores, then `store merge`: the same rows and files as one run."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.config.loading import load_suite
from nova_bench.core.errors import SuiteError
from nova_bench.core.identity import file_digest
from nova_bench.store import Store
from nova_bench.store.merge import merge

TEXTS = ("a cat", "a dog", "a house", "a tree", "a boat")
PROMPTS = {"samples_per_prompt": 2, "entries": list(TEXTS)}


def content(root: Path) -> tuple[dict[str, Any], dict[Any, Any]]:
    """Units with their files' digests, and rows by key, without dates and durations."""
    with Store.reader(root) as store:
        units = store.artifacts(store.all_units())
        assert all(file_digest(found.path) == found.sha256 for found in units.values())
        rows = store.rows(store.all_identities(), details=True)
    kept = {key: (row.status, row.value, row.weight, row.message, row.details) for key, row in rows.items()}
    return {unit: found.sha256 for unit, found in units.items()}, kept


@pytest.mark.parametrize("parts", [2, *(pytest.param(parts, marks=pytest.mark.slow) for parts in (1, 5))])
def test_merged_parts_are_the_whole(parts: int, cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    path = write_suite(prompts=PROMPTS)
    assert cli("run", path, "--store", "whole").returncode == 0
    made = []
    for number in range(1, parts + 1):
        result = cli("run", path, "--shard", f"{number}/{parts}", "--store", f"part{number}")
        assert result.returncode == 0, result.stderr
        assert f"part {number} of {parts}: " in result.stderr
        units, _ = content(tmp_path / f"part{number}")
        made += [*units]
        assert len(units) % 2 == 0, "all samples of a prompt are in one part"
    assert len(made) == len(set(made)) == 10
    sources = [f"part{number}" for number in range(parts, 0, -1)]
    merged = cli("store", "merge", *sources, "--store", "merged")
    assert merged.returncode == 0, merged.stderr
    assert content(tmp_path / "merged") == content(tmp_path / "whole")
    last = cli("run", path, "--store", "merged")
    assert last.returncode == 0
    assert "10 samples were there already" in last.stderr
    assert "20 scores were there already" in last.stderr
    tables = [tmp_path / store / run.name / "report/tables/metrics.csv" for store in ("whole", "merged")
              for run in (tmp_path / store).glob("smoke-*")]  # fmt: skip
    assert tables[0].read_text() == tables[1].read_text()
    again = cli("store", "merge", *sources, "--store", "merged")
    assert all(f"part{n}: 0 samples and 0 scores taken" in again.stdout for n in range(1, parts + 1))


@given(st.integers(1, 12), st.integers(1, 12))
def test_parts_that_there_are(number: int, count: int) -> None:
    assignments = [f"execution.shard={number}/{count}"]
    if number <= count:
        assert load_suite("shapes", assignments).execution.shard == f"{number}/{count}"
    else:
        with pytest.raises(SuiteError, match=f"there is no part {number} of {count}"):
            load_suite("shapes", assignments)


def test_more_parts_than_prompts_are_refused(cli: Callable, write_suite: Callable) -> None:
    result = cli("run", write_suite(), "--shard", "1/4")
    assert result.returncode == 2
    assert "3 prompts can't be shared among 4 parts" in result.stderr


def test_a_success_replaces_a_failure_and_nothing_else(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    bad = write_suite("bad.yaml", model={"adapter": "drift", "fail_on": "dog"})
    assert cli("run", bad, "--store", "bad").returncode == 3
    assert cli("run", write_suite(), "--store", "good").returncode == 0
    expected = content(tmp_path / "good")
    assert cli("store", "merge", "good", "--store", "bad").returncode == 0
    assert content(tmp_path / "bad") == expected
    assert cli("run", bad, "--store", "worse").returncode == 3
    assert "0 samples and 0 scores taken" in cli("store", "merge", "worse", "--store", "good").stdout
    assert content(tmp_path / "good") == expected


@pytest.mark.slow
def test_other_files_of_the_same_unit_are_told_and_left(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    """What another batch size or CPU rounds differently, here by hand."""
    for store in ("a", "b"):
        assert cli("run", write_suite(), "--store", store).returncode == 0
    before = content(tmp_path / "a")
    first = before[0]
    with Store.writer(tmp_path / "b") as store:
        unit = next(iter(first))
        other = next(found for found in store.artifacts(store.all_units()).values() if found.sha256 != first[unit])
        with sqlite3.connect(tmp_path / "b/store.sqlite") as connection:
            connection.execute("UPDATE artifacts SET sha256 = ?, size = ? WHERE unit = ?",
                               (other.sha256, other.size, unit))  # fmt: skip
        connection.close()
    result = cli("store", "merge", "b", "--store", "a")
    assert result.returncode == 3
    assert "b: 1 samples differ from those in a, which keeps its own" in result.stderr
    assert content(tmp_path / "a") == before


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_damaged_files_don_t_spread(damage: str, cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    assert cli("run", write_suite(), "--store", "source").returncode == 0
    with Store.reader(tmp_path / "source") as store:
        broken = next(iter(store.artifacts(store.all_units()).values())).path
    whole = broken.read_bytes()
    if damage == "changed":
        broken.write_bytes(whole[:-1] + b"!")
    else:
        broken.unlink()
    result = cli("store", "merge", "source", "--store", "target")
    said = {"changed": "changed since it was recorded", "gone": "1 files are gone"}[damage]
    assert said in result.stderr
    assert result.returncode == {"changed": 2, "gone": 3}[damage]
    broken.write_bytes(whole)
    assert cli("store", "merge", "source", "--store", "target").returncode == 0
    assert content(tmp_path / "target") == content(tmp_path / "source")


def test_an_interrupted_merge_continues(
    cli: Callable, write_suite: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("run", write_suite(), "--store", "source").returncode == 0
    monkeypatch.setattr("nova_bench.store.merge.BATCH", 2)
    with Store.writer(tmp_path / "target") as target, Store.reader(tmp_path / "source") as source:
        real, calls = target.add_units, []

        def ends(batch):
            if len(calls) == 2:
                raise KeyboardInterrupt
            calls.append(batch)
            return real(batch)

        monkeypatch.setattr(target, "add_units", ends)
        with pytest.raises(KeyboardInterrupt):
            merge(target, source)
    assert cli("store", "merge", "source", "--store", "target").stdout == "source: 2 samples and 12 scores taken\n"
    assert content(tmp_path / "target") == content(tmp_path / "source")


@pytest.mark.parametrize(("source", "said"), [("store", "is --store itself"), ("nosuch", "no store here")])
def test_sources_that_are_none(source: str, said: str, cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    assert cli("run", write_suite(), "--store", "store").returncode == 0
    result = cli("store", "merge", source, "--store", "store")
    assert result.returncode == 2
    assert said in result.stderr
