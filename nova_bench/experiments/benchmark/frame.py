"""The scores of a benchmark's samples as a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.pipeline.record import plan_of
from nova_bench.pipeline.results import read_results
from nova_bench.report.tables import SAMPLE_COLUMNS, sample_records
from nova_bench.store import Store
from nova_bench.store.store import StoredRun

if TYPE_CHECKING:
    import pandas


def benchmark_frame(run: StoredRun, store: Store) -> pandas.DataFrame:
    """One row per sample and metric, with the columns of samples.csv and the scorer's ``details``."""
    import pandas

    results = read_results(plan_of(run), store)
    records = list(sample_records(results.summaries, results.artifacts, results.places))
    frame = pandas.DataFrame.from_records(records, columns=SAMPLE_COLUMNS)
    frame[["value", "weight"]] = frame[["value", "weight"]].astype("float64")
    scores = (score for summary in results.summaries for score in summary.samples)
    frame["details"] = [{} if score.row is None else score.row.details for score in scores]
    return frame
