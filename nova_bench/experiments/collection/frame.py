"""The measurements of a collection's parts as a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nova_bench.experiments.collection.record import CollectionRecord
from nova_bench.experiments.registry import frame_run
from nova_bench.store import Store
from nova_bench.store.store import StoredRun

if TYPE_CHECKING:
    import pandas


def collection_frame(run: StoredRun, store: Store) -> pandas.DataFrame:
    """The rows of every part, after the column ``part``. Columns that a part's kind lacks are empty in its rows."""
    import pandas

    frames = []
    for part in CollectionRecord.model_validate(run.suite).parts:
        if part.run and store.has_run(part.run):
            frame = frame_run(store.run(part.run), store)
            frame.insert(0, "part", part.title)
            frames.append(frame)
    return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()
