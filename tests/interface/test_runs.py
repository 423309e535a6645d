"""`nova_bench.run`, `load` and `compare`: what the commands of the same names do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import nova_bench
from nova_bench.core.errors import StoreError, UserError


def test_a_run_is_measured_loaded_and_compared(write_suite: Callable[..., Path], tmp_path: Path) -> None:
    results = nova_bench.run(write_suite(), limit=4, settings=["seed=5"], store=tmp_path / "runs")
    assert results.page.is_file()
    assert len(results.to_frame()) == 8
    loaded = nova_bench.load(results.name, tmp_path / "runs")
    assert loaded.to_frame().equals(nova_bench.load(tmp_path / "runs" / results.name).to_frame())
    summary = loaded.summary()
    assert summary["Metric"].tolist() == ["brightness", "roughness"]
    means = loaded.to_frame().groupby("metric")["value"].mean()
    assert summary["Value"].tolist() == pytest.approx(means.tolist())
    assert loaded.summary("samples")["Sample"].tolist() == ["a cat", "a cat [1]", "a dog", "a dog [1]"]
    with pytest.raises(UserError, match=r"no table 'sample' \(one of: metrics, samples\)"):
        loaded.summary("sample")
    found = nova_bench.compare(tmp_path / "runs" / results.name, tmp_path / "runs" / results.name)
    assert found.verdict == "pass"


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        nova_bench.load("gone", tmp_path)
