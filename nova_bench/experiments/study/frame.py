"""The scores of all arms of a study as a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.experiments.benchmark.frame import benchmark_frame
from nova_bench.experiments.frame_rows import join_frames
from nova_bench.experiments.study.record import StudyRecord
from nova_bench.store import Store
from nova_bench.store.store import StoredRun

if TYPE_CHECKING:
    import pandas


def study_frame(run: StoredRun, store: Store) -> pandas.DataFrame:
    """The rows of every arm that was measured, after the columns ``arm``, ``setting`` and ``seed`` of its training."""
    arms = StudyRecord.model_validate(run.suite).arms
    return join_frames(
        ({"arm": arm.label, "setting": arm.setting, "seed": arm.seed}, benchmark_frame(store.run(arm.run), store))
        for arm in arms
        if arm.run and store.has_run(arm.run)
    )
