"""The timed calls of a latency suite, as a data frame."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from nova_bench.experiments.latency.report import latency_plan_of
from nova_bench.experiments.latency.store import measured_points, times_of
from nova_bench.experiments.latency.tables import calls_csv
from nova_bench.store import Store
from nova_bench.store.store import StoredRun

if TYPE_CHECKING:
    import pandas


def latency_frame(run: StoredRun, store: Store) -> pandas.DataFrame:
    """One row per call that was measured part by part, with the columns of calls.csv: settings, then seconds."""
    import pandas

    plan = latency_plan_of(run)
    times = times_of(plan, measured_points(plan, store))
    return pandas.read_csv(io.StringIO(calls_csv(times, None)))
