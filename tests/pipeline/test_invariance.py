"""The same rows for any batch size, order, worker count and resume point (rules 1 and 5 of honest numbers)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_bench.config.loading import load_suite
from nova_bench.core.progress import Progress
from nova_bench.pipeline.run import measure_suite
from nova_bench.store import Store

PROMPTS = ["a cat", "a dog", "a house", "a tree", "a car"]
REAL_SCORERS = ["brightness", "roughness", "temporal_flickering", "dynamic_degree_dis"]


class Stop(Exception):
    """Stands for whatever ends a run early."""


def rows_of(root: Path) -> dict[tuple, tuple]:
    """Everything measured: (prompt, sample, scorer) -> (artifact, status, value, weight, details)."""
    from nova_bench.pipeline.record import plan_of

    found = {}
    with Store.reader(root) as store:
        for name, *_ in store.run_names():
            plan = plan_of(store.run(name))
            artifacts = store.artifacts(unit.digest for unit in plan.units)
            rows = store.rows((scorer.identity for scorer in plan.scorers), details=True)
            for unit in plan.units:
                for scorer in plan.scorers:
                    artifact = artifacts[unit.digest].sha256
                    row = rows[artifact, scorer.identity, scorer.inputs(unit)]
                    key = (unit.prompt, unit.sample_index, scorer.info.name)
                    found[key] = (artifact, row.status, row.value, row.weight, str(row.details))
    return found


def run(path: Path, root: Path, *assignments: str) -> None:
    with Store.writer(root) as store:
        measure_suite(load_suite(str(path), ["execution.device=cpu", *assignments]), store, None, Progress(quiet=True))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A suite, and the rows of one uninterrupted run of it, one unit at a time."""
    import yaml

    folder = tmp_path_factory.mktemp("reference")
    path = folder / "suite.yaml"
    suite = {
        "name": "invariance",
        "title": "Invariance",
        "model": {"adapter": "drift"},
        "prompts": {"samples_per_prompt": 2, "entries": PROMPTS},
        "sampling": {"num_frames": 5, "height": 32, "width": 48, "fps": 12},
        "scorers": REAL_SCORERS,
        "statistics": {"resamples": 100},
    }
    path.write_text(yaml.safe_dump(suite))
    run(path, folder / "runs", "execution.batch_size=1")
    return path, rows_of(folder / "runs")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=st.permutations(PROMPTS), batch_size=st.integers(1, 12), megabytes=st.sampled_from([1, 512]))
def test_order_and_batches_change_nothing(reference, order, batch_size, megabytes):
    path, expected = reference
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        run(
            path,
            root,
            f"prompts.entries={list(order)}",
            f"execution.batch_size={batch_size}",
            f"execution.batch_megabytes={megabytes}",
        )
        assert rows_of(root) == expected


@pytest.mark.parametrize("workers", [2, *(pytest.param(workers, marks=pytest.mark.slow) for workers in (1, 3))])
def test_worker_count_changes_nothing(reference, tmp_path, workers, monkeypatch):
    path, expected = reference
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "plugin"))
    run(path, tmp_path, "execution.executor=local", f"execution.workers={workers}", "execution.batch_size=2")
    assert rows_of(tmp_path) == expected


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stops=st.lists(st.integers(0, 12), min_size=1, max_size=3), batch_size=st.integers(1, 4))
def test_resume_point_changes_nothing(reference, stops, batch_size):
    """Runs that end after some writes to the store, at any of its doors, and are started again."""
    path, expected = reference
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        for writes in stops:
            with pytest.MonkeyPatch.context() as patch:
                _stop_after(writes, patch)
                try:
                    run(path, root, f"execution.batch_size={batch_size}")
                except Stop:
                    continue
        run(path, root, f"execution.batch_size={batch_size}")
        assert rows_of(root) == expected


def _stop_after(writes: int, patch: pytest.MonkeyPatch) -> None:
    """Let so many transactions through, then raise inside the next one."""
    original = Store._transaction
    left = writes

    def counted(self):
        nonlocal left
        left -= 1
        if left < 0:
            raise Stop
        return original(self)

    patch.setattr(Store, "_transaction", counted)


def test_a_second_run_does_nothing_again(reference, tmp_path):
    path, expected = reference
    run(path, tmp_path)
    with Store.reader(tmp_path) as store:
        before = list(store._all("SELECT artifact, identity, created FROM rows"))
    artifacts = {file: file.stat().st_mtime_ns for file in (tmp_path / "artifacts").rglob("*") if file.is_file()}
    run(path, tmp_path)
    with Store.reader(tmp_path) as store:
        assert list(store._all("SELECT artifact, identity, created FROM rows")) == before
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "artifacts").rglob("*") if f.is_file()} == artifacts
    assert rows_of(tmp_path) == expected
