"""The scores of all arms of a study as a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.experiments.benchmark.frame import benchmark_frame
from nova_bench.experiments.study.record import StudyRecord
from nova_bench.store import Store
from nova_bench.store.store import StoredRun

if TYPE_CHECKING:
    import pandas


def study_frame(run: StoredRun, store: Store) -> pandas.DataFrame:
    """The rows of every arm that was measured, after the columns ``arm``, ``setting`` and ``seed`` of its training."""
    import pandas

    frames = []
    for arm in StudyRecord.model_validate(run.suite).arms:
        if arm.run and store.has_run(arm.run):
            frame = benchmark_frame(store.run(arm.run), store)
            columns = {"arm": arm.label, "setting": arm.setting, "seed": arm.seed}
            for place, (name, value) in enumerate(columns.items()):
                frame.insert(place, name, value)
            frames.append(frame)
    return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()
