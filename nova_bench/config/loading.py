"""Suite file -> Suite: inheritance, `--set`, and errors that name file, line and the nearest valid name."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from nova_bench.config.catalog import ADAPTERS, COMPOSITES, PROMPT_SOURCES, SCORERS
from nova_bench.config.paths import RELATIVE_TO_SUITE, anchor, beside
from nova_bench.config.suite import ClipPromptsSpec, ModelSpec, PromptEntry, PromptsSpec, Suite
from nova_bench.config.suite_files import find_suite
from nova_bench.config.yaml_source import KeyPath, Origin, Source, parse, parse_assignment
from nova_bench.core.errors import SuiteError, UserError
from nova_bench.core.messages import expectation, shorten
from nova_bench.core.registry import nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN_ERRORS = 5
MOST_LEVELS = 32
"""Maximum depth of suites that extend one another."""
OF_THE_SUITE = ("num_frames", "fps", "lossless")
"""Sampling settings that say which samples a suite wants, whatever the model."""
FIELDS_REMEDY = "`nova_bench list --fields` documents every key"


def load_suite(
    name: str,
    assignments: typing.Sequence[str] = (),
    model: dict[str, Any] | None = None,
    options: Mapping[tuple[str, str], Any] = MappingProxyType({}),
) -> Suite:
    """Read the suite called ``name``: a path, or the name of a suite in `suites/`.

    After inheritance ``model`` replaces the suite's whole model section. Then ``assignments`` are applied in order
    (`--set a.b=c`), then ``options`` (("execution", "device") -> the value of `--device`, and so on). Raises SuiteError
    with a message that begins with ``file:line`` or the option.
    """
    return validate_suite(with_named_scorers(requested_source(name, assignments, model, options)))


def requested_source(
    name: str, assignments: typing.Sequence[str], model: dict[str, Any] | None, options: Mapping[tuple[str, str], Any]
) -> Source:
    """The document of a suite of any kind, with all changes from the command line; see :func:`load_suite`."""
    source = inherit(find_suite(name), ())
    here = Path.cwd()
    if model is not None:
        source = source.with_value(("model",), model, "--model", here)
    source = with_model_sampling(with_named_scorers(source))
    source = with_assignments(source, assignments)
    return with_options(source, options)


def with_options(source: Source, options: Mapping[tuple[str, str], Any]) -> Source:
    """A document with the values of command-line options; errors about these values name the option."""
    for path, value in options.items():
        source = source.with_value(path, value, f"--{path[-1].replace('_', '-')}", Path.cwd())
    return source


def with_assignments(source: Source, assignments: typing.Sequence[str]) -> Source:
    """A document with `--set` options applied in order; errors about their values name the option."""
    for assignment in assignments:
        path, value = parse_assignment(assignment)
        source = source.with_value(path, value, f"--set {shorten(assignment)[1:-1]}", Path.cwd())
    return source


def with_model_sampling(source: Source) -> Source:
    """Move the sampling settings of the model section to the suite's `sampling`, which they replace.

    Settings of one model, such as NOVA's steps, mean nothing to another. What says which samples the suite wants stays.
    """
    model = source.data.get("model")
    if not isinstance(model, dict) or not isinstance(own := model.get("sampling"), dict):
        return source
    asked = source.data.get("sampling")
    kept = {key: asked[key] for key in OF_THE_SUITE if key in asked} if isinstance(asked, dict) else {}
    origins: dict[KeyPath, Origin] = {(key,): source.origin(("sampling", key)) for key in kept}
    origins |= source.section(("model", "sampling")).origins
    rest = {key: value for key, value in model.items() if key != "sampling"}
    model_origins = source.section(("model",)).origins
    source = source.with_section(
        ("model",), rest, {path: o for path, o in model_origins.items() if "sampling" not in path[:1]}
    )
    return source.with_section(("sampling",), {**kept, **own}, origins)


def with_named_scorers(source: Source) -> Source:
    """Expand a scorer written as a bare name to a mapping, so that `--set scorers.0.tags=...` works."""
    uses = source.data.get("scorers")
    if not isinstance(uses, list):
        return source
    uses = [{"name": use} if isinstance(use, str) else use for use in uses]
    return replace(source, data={**source.data, "scorers": uses})


def inherit(path: Path, above: tuple[Path, ...]) -> Source:
    """Merge one file over everything it extends. `extends` is a path relative to the file."""
    if path.resolve() in above:
        raise SuiteError(f"{path}: extends itself", "remove one `extends` of the cycle")
    if len(above) >= MOST_LEVELS:
        raise SuiteError(f"{path}: more than {MOST_LEVELS} suites extend one another", "extend fewer")
    source = parse(path)
    base_name = source.data.pop("extends", None)
    if base_name is None:
        return source
    origin = source.origin(("extends",))
    base = inherit(named_file(base_name, origin, "extends: "), (*above, path.resolve()))
    if _names_other_adapter(source, base):
        base = base.without("model")
    return source.merged_over(base)


def named_file(name: Any, origin: Origin, key: str = "") -> Path:
    """The file that a suite names at ``origin``. Raises SuiteError with the nearest file beside it if it is missing."""
    path = beside(str(name), origin.base)
    if os.path.isfile(path):
        return path
    try:
        siblings = [file.name for file in path.parent.glob("*.yaml")]
    except (OSError, ValueError):  # not a valid folder name
        siblings = []
    raise SuiteError(
        f"{origin.where}: {key}no file {path}{nearest(path.name, siblings)}", "give a path relative to this file"
    )


def _names_other_adapter(source: Source, base: Source) -> bool:
    """A suite that names a different adapter from its base replaces the model section: their options don't mix."""
    mine, theirs = source.data.get("model"), base.data.get("model")
    return (
        isinstance(mine, dict) and isinstance(theirs, dict) and mine.get("adapter") not in (None, theirs.get("adapter"))
    )


def validate_suite(source: Source) -> Suite:
    """The suite in a whole document; every error names the place where the wrong value was written."""
    source = with_model_sampling(source)
    data = dict(source.data)
    if "model" in data:
        data["model"] = model_options(data["model"], source)
    if isinstance(data.get("prompts"), dict):
        data["prompts"] = _prompts(data["prompts"], source)
    if isinstance(data.get("scorers"), list):
        data["scorers"] = [_scorer_use(use, ("scorers", index), source) for index, use in enumerate(data["scorers"])]
    if isinstance(data.get("derived"), list):
        for index, name in enumerate(data["derived"]):
            _named(partial(COMPOSITES.get, str(name)), ("derived", index), source)
    suite = _with_places(check_section(Suite, data, (), source), source)
    if (fps := suite.model.frame_folder_fps) is not None:
        suite = suite.model_copy(update={"media": suite.media.model_copy(update={"folder_fps": fps})})
    _check_published(suite, source)
    _check_gate(suite, source)
    return suite.read_from(source.files)


def _check_published(suite: Suite, source: Source) -> None:
    """Raise SuiteError for a published number outside its metric's range, such as a percentage for a share."""
    ranges = {info.name: info.range for use in suite.scorers for info in SCORERS.get(use.name).metrics(use.settings)}
    for index, column in enumerate(suite.published):
        for name, value in column.values.items():
            low, high = ranges.get(name, (None, None))
            if (low is not None and value < low) or (high is not None and value > high):
                path = ("published", index, "values", name)
                raise SuiteError(
                    f"{source.origin(path).where}: {'.'.join(map(str, path))}: {value:g} is out of range: {name} is "
                    f"between {'-inf' if low is None else f'{low:g}'} and {'inf' if high is None else f'{high:g}'}",
                    "give it in the unit of the metric's own column",
                )


def _check_gate(suite: Suite, source: Source) -> None:
    """Raise SuiteError for a gate that names a metric which the suite doesn't have."""
    metrics = [info.name for use in suite.scorers for info in SCORERS.get(use.name).metrics(use.settings)]
    known = [*metrics, *suite.derived]
    named: list[tuple[KeyPath, str]] = [(("gate", "metrics", i), name) for i, name in enumerate(suite.gate.metrics)]
    named += [(("gate", "margins", name), name) for name in suite.gate.margins]
    for path, name in named:
        if name not in known:
            raise SuiteError(
                f"{source.origin(path).where}: {'.'.join(map(str, path[:2]))}: the suite has no metric "
                f"{name!r}{nearest(name, known)}",
                f"it has: {', '.join(known)}",
            )


def model_options(data: Any, source: Source) -> ModelSpec:
    """The model section of a suite, checked against the options of the adapter it names."""
    if not isinstance(data, dict) or "adapter" not in data:
        raise SuiteError(
            f"{source.origin(('model',)).where}: model: expected a mapping with the key `adapter`",
            f"adapters: {', '.join(sorted(ADAPTERS.all()))}",
        )
    options = _named(lambda: ADAPTERS.get(str(data["adapter"])).options, ("model", "adapter"), source)
    return check_section(options, anchor_paths(options, data, ("model",), source), ("model",), source)


def _prompts(data: dict[str, Any], source: Source) -> dict[str, Any]:
    data = anchor_paths(PromptsSpec, data, ("prompts",), source)
    if data.get("source") is not None:
        _named(lambda: PROMPT_SOURCES.get(str(data["source"])), ("prompts", "source"), source)
    if isinstance(data.get("clips"), dict):
        data["clips"] = anchor_paths(ClipPromptsSpec, data["clips"], ("prompts", "clips"), source)
    if isinstance(entries := data.get("entries"), list):
        data["entries"] = [
            anchor_paths(
                PromptEntry,
                # A prompt that YAML reads as a number or truth value was meant as text: report that.
                entry if isinstance(entry, dict | list) else {"text": entry},
                ("prompts", "entries", index),
                source,
            )
            for index, entry in enumerate(entries)
        ]
    return data


def _with_places(suite: Suite, source: Source) -> Suite:
    """The suite, with the places where each prompt and its metadata were written."""
    if suite.prompts is None or not suite.prompts.entries:
        return suite
    entries = []
    for index, entry in enumerate(suite.prompts.entries):
        path: KeyPath = ("prompts", "entries", index)
        names = {name: source.origin((*path, "metadata", name)).where for name in entry.metadata.values()}
        entries.append(entry.placed(source.origin(path).where, names))
    return suite.model_copy(update={"prompts": suite.prompts.model_copy(update={"entries": tuple(entries)})})


def _scorer_use(use: Any, path: KeyPath, source: Source) -> Any:
    """Let the scorer's own model check its settings."""
    if not isinstance(use, dict) or "name" not in use:
        raise SuiteError(
            f"{source.origin(path).where}: {'.'.join(map(str, path))}: expected the name of a scorer, or a mapping "
            "with the key `name`",
            f"scorers: {', '.join(sorted(SCORERS.all()))}",
        )
    settings = _named(lambda: SCORERS.get(str(use["name"])).settings, (*path, "name"), source)
    return {**use, "settings": check_section(settings, use.get("settings", {}), (*path, "settings"), source)}


def _named(find: typing.Callable[[], Any], path: KeyPath, source: Source) -> Any:
    """Look up a name; an unknown name is an error at the place where it was written."""
    try:
        return find()
    except UserError as error:
        raise SuiteError(f"{source.origin(path).where}: {error.message}", error.remedy) from error


def anchor_paths(cls: type[BaseModel], data: Any, path: KeyPath, source: Source) -> Any:
    """Make a section's path fields absolute, each relative to the file it was written in."""
    if not isinstance(data, dict):
        return data
    result = dict(data)
    for name, field in cls.model_fields.items():
        text = result.get(name)
        # Values that can't be paths are refused later, by the section's own validation.
        if _is_path(field) and isinstance(text, str) and "\0" not in text:
            result[name] = anchor(text, source.origin((*path, name)).base)
    return result


def _is_path(field: Any) -> bool:
    if RELATIVE_TO_SUITE in field.metadata:
        return True
    return any(RELATIVE_TO_SUITE in getattr(part, "__metadata__", ()) for part in typing.get_args(field.annotation))


def check_section(cls: type[BaseModel], data: Any, prefix: KeyPath, source: Source, remedy: str = FIELDS_REMEDY) -> Any:
    """Validate one section; every error is reported with its origin."""
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = [problem for problem in found if not _follows_from_another(problem, found)]
        lines = [_explain(cls, problem, prefix, source) for problem in problems[:SHOWN_ERRORS]]
        if len(problems) > SHOWN_ERRORS:
            lines.append(f"... and {len(problems) - SHOWN_ERRORS} more")
        raise SuiteError(lines[0], remedy, *lines[1:]) from error


def _follows_from_another(problem: ErrorDetails, problems: list[ErrorDetails]) -> bool:
    """A list with wrong items also counts as too short; only the items are reported."""
    where = problem["loc"]
    inside = (other for other in problems if other is not problem and other["loc"][: len(where)] == where)
    return problem["type"] == "too_short" and any(inside)


def _explain(cls: type[BaseModel], problem: ErrorDetails, prefix: KeyPath, source: Source) -> str:
    path = (*prefix, *problem["loc"])
    where, dotted = source.origin(path).where, ".".join(map(str, path))
    if problem["type"] == "extra_forbidden":
        inside = ".".join(map(str, path[:-1]))
        known = _fields_at(cls, problem["loc"][:-1]) + ([] if inside else ["extends"])
        key = str(path[-1])
        return f"{where}: unknown key {shorten(key)}{f' in {inside}' if inside else ''}{nearest(key, known)}"
    if problem["type"] == "missing":
        return f"{where}: missing key {dotted!r}"
    return f"{where}: {f'{dotted}: ' if dotted else ''}{expectation(problem)}"


def _fields_at(cls: Any, location: tuple[str | int, ...]) -> list[str]:
    """Field names of the model at a location inside ``cls``."""
    for key in location:
        if isinstance(cls, type) and issubclass(cls, BaseModel) and key in cls.model_fields:
            cls = cls.model_fields[key].annotation
        if not isinstance(cls, type):
            inner = [part for part in typing.get_args(cls) if isinstance(part, type) and issubclass(part, BaseModel)]
            cls = inner[0] if inner else cls
    return list(cls.model_fields) if isinstance(cls, type) and issubclass(cls, BaseModel) else []
