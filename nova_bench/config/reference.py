"""Lists available names and the keys of a suite: for `nova_bench list`, and as JSON Schema for editors."""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import yaml
from pydantic import BaseModel

from nova_bench.config.catalog import ADAPTERS, COMPOSITES, EXPERIMENTS, JUDGES, PROMPT_SOURCES, SCORERS
from nova_bench.config.metadata import Metadata
from nova_bench.config.suite import Suite
from nova_bench.config.suite_files import MODELS, known_suites
from nova_bench.core.standard_streams import styled

if typing.TYPE_CHECKING:
    from nova_bench.scorers.base import ScorerInfo

TYPES = {str: "text", int: "integer", float: "number", bool: "true or false", Metadata: "mapping"}
OTHER_KINDS = tuple(kind for kind in EXPERIMENTS.built_in if kind != "benchmark")
"""Built-in kinds of suite besides the benchmark, whose keys are those of a suite without `kind`."""
SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"

UNREADABLE = "(can't be read)"


def names_text() -> str:
    """Suites, models, scorers, judges and benchmark prompt lists, one line each."""
    sections = [
        ("suites", [(name, suite_summary(path)) for name, path in sorted(known_suites().items())]),
        ("models", [(info.name, info.summary) for info in ADAPTERS.all().values()]),
        (
            "ready models (--model)",
            [(name, model_summary(path)) for name, path in sorted(known_suites(MODELS).items())],
        ),
        ("scorers", [(info.name, f"{info.summary} [{info.unit or 'no unit'}]") for info in SCORERS.all().values()]),
        ("judges", [(f"{info.name}{':MODEL' * info.takes_model}", info.summary) for info in JUDGES.all().values()]),
        ("prompt sources", [(source.name, source.summary) for source in PROMPT_SOURCES.all().values()]),
        ("derived metrics", [(metric.name, metric.summary) for metric in COMPOSITES.all().values()]),
    ]
    lines = []
    for title, entries in sections:
        width = max((len(name) for name, _ in entries), default=0)
        lines += [f"{title}:", *(f"  {name:<{width}}  {summary}" for name, summary in entries), ""]
    return "\n".join(lines).rstrip()


def suite_summary(path: Path) -> str:
    """Title of a suite file, read without validating it."""
    data = _read(path)
    return UNREADABLE if data is None else str(data.get("title", ""))


def model_summary(path: Path) -> str:
    """Label and adapter of a model's file, read without validating it."""
    data = _read(path)
    return UNREADABLE if data is None else f"{data.get('label', '')} ({data.get('adapter', '')})"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None
    return data if isinstance(data, dict) else None


@dataclass(frozen=True)
class FieldHelp:
    """One key of a suite: its full name, type, default and purpose."""

    key: str
    type: str
    default: str
    text: str


def field_sections(plugins: bool = True) -> list[tuple[str, list[FieldHelp]]]:
    """(heading, keys) for a suite, for each adapter's model section, and for each scorer's settings and metadata.

    Without ``plugins`` only of what is built in.
    """
    adapters = ADAPTERS.all() if plugins else ADAPTERS.own()
    scorers = SCORERS.all() if plugins else SCORERS.own()
    extends = FieldHelp(
        "extends", "text", "none", "Another suite file, relative to this one; its keys apply unless set here."
    )
    sections = [("A suite", [extends, *_fields(Suite, "")])]
    sections += [(f"A suite with `kind: {kind}`", _fields(_spec_of(kind), "")) for kind in OTHER_KINDS]
    sections += [
        (f"Model section of the adapter {info.name}: {info.summary}", _fields(info.options, "model."))
        for info in adapters.values()
    ]
    sections += [
        (f"Settings of the scorer {info.name}", _fields(info.settings, "scorers.N.settings."))
        for info in scorers.values()
        if info.settings.model_fields
    ]
    sections += [
        (f"Metadata that the scorer {info.name} reads", _fields(info.reads, "prompts.entries.N.metadata."))
        for info in scorers.values()
        if info.reads.model_fields
    ]
    return sections


def fields_text() -> str:
    """Every key with its docstring, one line each, for pipes and grep."""
    lines = []
    for heading, keys in field_sections():
        lines += [f"{heading}:", *(f"  {key.key} ({key.type}, {key.default}): {key.text}" for key in keys), ""]
    return "\n".join(lines).rstrip()


def show_fields() -> None:
    """Show every key with its docstring, as tables on the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=styled(sys.stdout), highlight=False)
    for heading, keys in field_sections():
        table = Table(box=box.SIMPLE_HEAD, title=Text(heading, style="bold"), title_justify="left", pad_edge=False)
        for title in ("key", "type", "default"):
            table.add_column(title, overflow="fold")
        table.add_column("meaning", ratio=1)
        for key in keys:
            table.add_row(Text(key.key, style="cyan"), Text(key.type), Text(key.default), Text(key.text))
        console.print(table)


def _fields(model: type[BaseModel], prefix: str) -> list[FieldHelp]:
    keys = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _short(field.get_default(call_default_factory=True))
        text = " ".join((field.description or "").split())
        keys.append(FieldHelp(f"{prefix}{name}", _type(field.annotation), default, text))
        inner = _inner(field.annotation)
        if inner is not None and inner.model_fields and inner.__name__ not in ("ModelSpec", "ScorerSettings"):
            many = typing.get_origin(field.annotation) is tuple
            keys += _fields(inner, f"{prefix}{name}{'.N' if many else ''}.")
    return keys


def _inner(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *typing.get_args(annotation)]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _type(annotation: Any) -> str:
    if isinstance(annotation, type):
        return "mapping" if issubclass(annotation, BaseModel) else TYPES.get(annotation, annotation.__name__)
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return " | ".join(map(str, arguments))
    if typing.get_origin(annotation) is typing.Annotated:
        return _type(arguments[0])
    if typing.get_origin(annotation) is tuple:
        return f"list of {_type(arguments[0])}"
    if typing.get_origin(annotation) is dict:
        return f"mapping of {_type(arguments[0])} to {_type(arguments[1])}"
    return " | ".join(_type(part) for part in arguments if part is not type(None))


def _short(value: Any) -> str:
    if any(isinstance(part, BaseModel) for part in (value, *(value if isinstance(value, tuple) else ()))):
        return "see below"
    return "none" if value in ((), "", None, Metadata()) else json.dumps(value)


def json_schema_text(plugins: bool = False) -> str:
    """The JSON Schema as a file."""
    return json.dumps(json_schema(plugins), indent=1, ensure_ascii=False) + "\n"


def json_schema(plugins: bool = False) -> dict[str, Any]:
    """JSON Schema of a suite file. A suite that extends another may leave required keys to it.

    It covers what is built in and, with ``plugins``, what installed packages provide.
    """
    adapters = ADAPTERS.all() if plugins else ADAPTERS.own()
    scorers = SCORERS.all() if plugins else SCORERS.own()
    schema = Suite.model_json_schema(ref_template="#/$defs/{model}")
    definitions = schema.setdefault("$defs", {})
    schema["properties"]["model"] = {"anyOf": [_embedded(info.options, definitions) for info in adapters.values()]}
    schema["properties"]["extends"] = {"type": "string", "description": "Another suite file, relative to this one."}
    definitions["PromptsSpec"]["properties"]["entries"]["items"] = {
        "anyOf": [{"type": "string"}, {"$ref": "#/$defs/PromptEntry"}]
    }
    sources = PROMPT_SOURCES.names() if plugins else PROMPT_SOURCES.built_in
    derived = COMPOSITES.names() if plugins else COMPOSITES.built_in
    definitions["PromptsSpec"]["properties"]["source"]["anyOf"] = [{"enum": [*sources]}, {"type": "null"}]
    schema["properties"]["derived"]["items"] = {"enum": [*derived]}
    schema["properties"]["scorers"]["items"] = {"anyOf": _scorer_uses(scorers, definitions)}
    whole = {"required": schema.pop("required"), "properties": {"model": {"required": ["adapter"]}}}
    definitions.pop("ModelSpec", None)
    schema["anyOf"] = [{"required": ["extends"]}, whole]
    del schema["$defs"]
    kinds = {kind: _other_kind(kind, schema, definitions) for kind in OTHER_KINDS}
    definitions.pop("ModelSpec", None)
    for kind, other in kinds.items():
        condition = {"required": ["kind"], "properties": {"kind": {"const": kind}}}
        schema = {"if": condition, "then": other, "else": schema}
    return {"$schema": SCHEMA_ID, "$defs": definitions, **schema}


def _spec_of(kind: str) -> type[BaseModel]:
    return resolve_name(EXPERIMENTS.get(kind).spec)


def _other_kind(kind: str, suite: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a kind other than the benchmark, whose schema is ``suite``; all kinds share the models.

    A study's base is a suite that may leave every key to what it extends and to the study.
    """
    other = _spec_of(kind).model_json_schema(ref_template="#/$defs/{model}")
    definitions |= other.pop("$defs", {})
    properties = other["properties"]
    properties["extends"] = suite["properties"]["extends"]
    if "model" in properties:
        properties["model"] = suite["properties"]["model"]
    if kind == "study":
        part = {key: value for key, value in suite.items() if key not in ("anyOf", "description", "title")}
        properties["base"] = {**part, "description": properties["base"]["description"]}
        definitions["Arm"]["properties"]["model"] = suite["properties"]["model"]
    other["anyOf"] = [{"required": ["extends"]}, {"required": other.pop("required")}]
    return other


def _scorer_uses(scorers: Mapping[str, ScorerInfo], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """A scorer is a bare name, or a mapping with the settings of the scorer it names."""
    use = definitions.pop("ScorerUse")
    definitions.pop("ScorerSettings", None)
    uses: list[dict[str, Any]] = [{"const": name, "description": info.summary} for name, info in scorers.items()]
    for name, info in scorers.items():
        properties = {**use["properties"], "name": {"const": name, "description": info.summary}}
        properties["settings"] = _embedded(info.settings, definitions)
        uses.append({**use, "title": name, "properties": properties})
    return uses


def _embedded(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """A reference to a model's schema, with its definitions moved to the top."""
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(schema.pop("$defs", {}))
    definitions[model.__name__] = schema
    return {"$ref": f"#/$defs/{model.__name__}"}
