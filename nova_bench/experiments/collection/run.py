"""Run a collection: each part on its own, in one store, then the page that shows them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova_bench.core.errors import StoreError, UserError
from nova_bench.core.progress import Progress
from nova_bench.experiments.base import Request
from nova_bench.experiments.collection.earlier import read_earlier
from nova_bench.experiments.collection.load import load_collection, stated_rows
from nova_bench.experiments.collection.record import CollectionRecord, PartRecord
from nova_bench.experiments.collection.report import write_collection_report
from nova_bench.experiments.collection.spec import Part
from nova_bench.experiments.registry import run_request
from nova_bench.report.reported import Reported
from nova_bench.store import Store


def run_collection(request: Request, progress: Progress) -> Reported:
    """Run a suite of the kind "collection". A part that can't be run is reported, and the others are run.

    Raises UserError if no part can be run, and for problems that concern all of them (the file, the store).
    """
    collection, requests = load_collection(request)
    parts: list[PartRecord] = []
    reports: dict[str, Reported] = {}
    first_error: UserError | None = None
    for part, wanted in zip(collection.parts, requests, strict=True):
        shown = {"title": part.title, "published": part.published, **_earlier(part, progress)}
        if wanted is None:
            parts.append(PartRecord(**shown, run="", problem="", not_computed=part.not_computed))
            continue
        progress.say(f"part {part.title}")
        try:
            reported = run_request(wanted, progress)
        except StoreError:
            raise
        except UserError as error:
            first_error = first_error or error
            problem = " ".join(str(error).split())
            progress.warn(f"{part.title}: not computed: {problem}")
            shown["published"] = part.published or stated_rows(part)
            parts.append(PartRecord(**shown, run="", problem=problem))
            continue
        reports[reported.run] = reported
        parts.append(PartRecord(**shown, run=reported.run, problem=""))
    if first_error is not None and not reports:
        raise first_error
    record = CollectionRecord(
        name=collection.name,
        title=collection.title,
        description=collection.description,
        headline=collection.headline,
        reading=collection.reading,
        parts=tuple(parts),
    )
    with Store.writer(request.store) as store:
        store.add_run(record.stored())
        store.back_up()
        return write_collection_report(record, reports, store, store.run_folder(record.run_name))


def _earlier(part: Part, progress: Progress) -> dict[str, Any]:
    """What was measured earlier, or why it is missing."""
    if part.results is None:
        return {}
    try:
        return {"earlier": read_earlier(Path(part.results))}
    except UserError as error:
        problem = " ".join(str(error).split())
        progress.warn(f"{part.title}: {problem}")
        return {"earlier_problem": problem}
