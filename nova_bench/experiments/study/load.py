"""Study file -> study and one ordinary suite per arm, with errors that name file and line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_bench.config.loading import (
    check_section,
    inherit,
    named_file,
    validate_suite,
    with_assignments,
    with_model_sampling,
    with_named_scorers,
    with_options,
)
from nova_bench.config.paths import anchor
from nova_bench.config.suite import Suite
from nova_bench.config.suite_files import find_suite
from nova_bench.config.yaml_source import Source, key_path, parse_assignment
from nova_bench.core.errors import SuiteError, UserError
from nova_bench.core.notices import Notice
from nova_bench.core.registry import nearest
from nova_bench.experiments.base import Request
from nova_bench.experiments.study.seeds import each_seed
from nova_bench.experiments.study.spec import Arm, Study
from nova_bench.models.shorthand import model_section
from nova_bench.pipeline.subset import suite_subset

CHOOSES_A_MODEL = ("checkpoint", "folder", "manifest")
"""Keys of a model section that say which model it is; an arm that sets one has a model of its own."""


@dataclass(frozen=True)
class LoadedStudy:
    """A study and the suite of each arm, in order, with what `--dims` left out of each suite."""

    study: Study
    suites: tuple[Suite, ...]
    left_out: tuple[tuple[Notice, ...], ...]


def load_study(request: Request) -> LoadedStudy:
    """Read a study with everything that the command line changes.

    `--model` replaces the base's model section and so applies to every arm that does not set its own model. `--set`
    with a key of the study itself (``arms``, ``reference``, ...) changes the study, with any other key the base; arms
    take precedence. SuiteError, with ``file:line`` or the option, for every mistake in any arm; UserError for `--dims`
    that apply to no arm.
    """
    source = inherit(find_suite(request.suite), ())
    own = [text for text in request.assignments if _is_of_study(text)]
    source = with_assignments(source, own)
    study = check_section(Study, source.data, (), source)
    entries = [(index, _anchored(index, arm, source)) for index, arm in each_seed(study.arms)]
    study = study.model_copy(update={"arms": tuple(arm for _, arm in entries)})
    _refuse_same(study, [index for index, _ in entries], source)
    base = inherited_base(source)
    changes = [text for text in request.assignments if text not in own]
    replacement = model_section(request.model) if request.model else None
    suites = [_arm_suite(study, index, arm, base, source, changes, replacement, request) for index, arm in entries]
    if request.dimensions and study.trainings_only:
        raise UserError(f"--dims: study {study.name} shows trainings only and has no scorers", "leave out --dims")
    chosen = [_with_dimensions(suite, request.dimensions) for suite in suites]
    return LoadedStudy(study, tuple(suite for suite, _ in chosen), tuple(notices for _, notices in chosen))


def _with_dimensions(suite: Suite, names: Sequence[str]) -> tuple[Suite, tuple[Notice, ...]]:
    """An arm's suite with `--dims`, and what that leaves out."""
    left_out = []

    def notice(text: str, names: Sequence[str] = (), asked: bool = False) -> None:
        left_out.append(Notice(text, tuple(names)))

    return suite_subset(suite, names, notice), tuple(left_out)


def inherited_base(source: Source) -> Source:
    """The base suite as a separate document, merged with what it extends."""
    base = source.section(("base",))
    if (name := base.data.get("extends")) is None:
        return base
    origin = base.origin(("extends",))
    return base.without("extends").merged_over(inherit(named_file(name, origin, "base.extends: "), ()))


def _arm_suite(
    study: Study,
    index: int,
    arm: Arm,
    base: Source,
    source: Source,
    changes: Sequence[str],
    replacement: dict[str, Any] | None,
    request: Request,
) -> Suite:
    here = Path.cwd()
    if replacement is not None and not _has_own_model(arm):
        base = base.with_value(("model",), replacement, "--model", here)
    suite = with_assignments(with_model_sampling(with_named_scorers(base)), changes)
    if arm.model is not None:  # its keys may come from the file and from --set, with different base folders
        suite = suite.with_section(("model",), arm.model, source.section(("arms", index, "model")).origins)
        suite = with_model_sampling(suite)
    for key, value in arm.set.items():
        origin = source.origin(("arms", index, "set", key))
        suite = suite.with_value(key_path(key), value, origin.where, origin.base)
    suite = with_options(suite, request.options)
    origin = source.origin(("arms", index))
    for key, value in {
        "kind": "benchmark",
        "name": f"{study.name}-{slug(arm.label)}",
        "title": f"{study.title}: {arm.label}",
    }.items():
        suite = suite.with_value((key,), value, origin.where, origin.base)
    return validate_suite(with_named_scorers(suite))


def _is_of_study(assignment: str) -> bool:
    path, _ = parse_assignment(assignment)
    return path[0] in Study.model_fields


def _has_own_model(arm: Arm) -> bool:
    own = {"model", *(f"model.{key}" for key in CHOOSES_A_MODEL)}
    return arm.model is not None or not own.isdisjoint(arm.set)


def _anchored(index: int, arm: Arm, source: Source) -> Arm:
    """The arm with its paths made absolute."""
    stated = {key: path for key in ("training", "stability") if (path := getattr(arm, key)) is not None}
    places = {key: source.origin(("arms", index, key)).base for key in stated}
    return arm.model_copy(update={key: anchor(path, places[key]) for key, path in stated.items()})


def _refuse_same(study: Study, entries: Sequence[int], source: Source) -> None:
    """Raise SuiteError if arms share a label, which names them in tables, or a slug, which names their runs."""
    for what, names in (
        ("label", [arm.label for arm in study.arms]),
        ("name of a run", [slug(arm.label) for arm in study.arms]),
    ):
        for index, name in enumerate(names):
            if Counter(names)[name] > 1 and name in names[:index]:
                where = source.origin(("arms", entries[index], "label")).where
                raise SuiteError(f"{where}: two arms have the {what} {name!r}", "give each a label of its own")
    settings = list(dict.fromkeys(arm.group or arm.label for arm in study.arms))
    if study.reference and study.reference not in settings:
        raise SuiteError(
            f"{source.origin(('reference',)).where}: reference: no arm or group {study.reference!r}"
            f"{nearest(study.reference, settings)}",
            f"one of: {', '.join(settings)}",
        )


def slug(label: str) -> str:
    """A label as part of a run's name: lower-case letters, digits and -."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:31] or "arm"
