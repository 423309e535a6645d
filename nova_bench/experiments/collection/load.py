"""Collection file -> one request per part, with errors that name file and line."""

from __future__ import annotations

import json
from dataclasses import replace

from nova_bench.config.loading import anchor_paths, check_section, inherit, with_assignments
from nova_bench.config.suite import LeaderboardSpec
from nova_bench.config.suite_files import find_suite
from nova_bench.config.yaml_source import parse_assignment
from nova_bench.core.errors import SuiteError
from nova_bench.experiments.base import Request
from nova_bench.experiments.collection.spec import Collection, Part, PublishedTable
from nova_bench.experiments.registry import kind_of
from nova_bench.models.shorthand import model_section


def load_collection(request: Request) -> tuple[Collection, list[Request | None]]:
    """Load a collection and the request of each part, in order; None for a part that no suite computes.

    `--model`, `--limit` and options of the execution go to the parts; `--set` changes the collection itself
    (``parts.2.set.sampling.num_frames=9``). SuiteError, with ``file:line`` or the option, for every
    mistake; UserError for a `--model` that doesn't exist.
    """
    for text in request.assignments:
        path, _ = parse_assignment(text)
        if path[0] not in Collection.model_fields:
            raise SuiteError(
                f"--set {text}: a collection has no key {path[0]!r}", f"of its first part: --set parts.0.set.{text}"
            )
    source = with_assignments(inherit(find_suite(request.suite), ()), request.assignments)
    data = dict(source.data)
    if isinstance(parts := data.get("parts"), list):
        data["parts"] = [anchor_paths(Part, part, ("parts", i), source) for i, part in enumerate(parts)]
    collection = check_section(Collection, data, (), source)
    for index, part in enumerate(collection.parts):
        if part.suite is None:
            continue
        origin = source.origin(("parts", index, "suite"))
        try:
            nested = kind_of(part.suite) == "collection"
        except SuiteError as error:
            raise SuiteError(f"{origin.where}: {error.message}", error.remedy) from error
        if nested:
            raise SuiteError(f"{origin.where}: {part.suite} is a collection itself", "name its parts instead")
    if request.model is not None:
        model_section(request.model)  # report an unknown name before the parts run for hours
    return collection, [_part_request(part, request) for part in collection.parts]


def stated_rows(part: Part) -> PublishedTable | None:
    """The published rows of a part's leaderboard, to be shown if the part can't be run; None without any."""
    board = inherit(find_suite(str(part.suite)), ()).data.get("leaderboard")
    if board is None:
        return None
    spec = LeaderboardSpec.model_validate(board)
    if spec.published is None:
        return None
    rows = {row.label: row.values for row in spec.published.rows}
    return PublishedTable(title=spec.title, source=spec.published.source, columns=tuple(spec.columns), rows=rows)


def _part_request(part: Part, request: Request) -> Request | None:
    if part.suite is None:
        return None
    model = request.model if part.takes_model and request.model is not None else part.model
    limits = [limit for limit in (part.limit, request.limit) if limit is not None]
    return replace(
        request,
        suite=part.suite,
        model=model,
        assignments=[f"{key}={json.dumps(value)}" for key, value in part.set.items()],
        limit=min(limits, default=None),
    )
