"""The measurements of a collection's parts as a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.experiments.collection.record import CollectionRecord
from nova_bench.experiments.frame_rows import join_frames
from nova_bench.experiments.registry import frame_run
from nova_bench.store import Store
from nova_bench.store.store import StoredRun

if TYPE_CHECKING:
    import pandas


def collection_frame(run: StoredRun, store: Store) -> pandas.DataFrame:
    """The rows of every part, after the column ``part``. Columns that a part's kind lacks are empty in its rows."""
    parts = CollectionRecord.model_validate(run.suite).parts
    return join_frames(
        ({"part": part.title}, frame_run(store.run(part.run), store))
        for part in parts
        if part.run and store.has_run(part.run)
    )
