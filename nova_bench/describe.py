"""What there is, and what a suite can say: for `nova_bench list`, and as JSON Schema for editors."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from nova_bench.load import bundled_suites
from nova_bench.models.catalog import ADAPTERS
from nova_bench.scorers.catalog import SCORERS
from nova_bench.spec import Suite

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


def names_text() -> str:
    """Suites, models and scorers, one line each."""
    sections = [
        ("suites", [(name, suite_summary(path)) for name, path in sorted(bundled_suites().items())]),
        ("models", [(info.name, info.summary) for info in ADAPTERS.all().values()]),
        ("scorers", [(info.name, f"{info.summary} [{info.unit or 'no unit'}]") for info in SCORERS.all().values()]),
    ]
    lines = []
    for title, entries in sections:
        width = max((len(name) for name, _ in entries), default=0)
        lines += [f"{title}:", *(f"  {name:<{width}}  {summary}" for name, summary in entries), ""]
    return "\n".join(lines).rstrip()


def suite_summary(path: Path) -> str:
    """Title of a suite file, read without validating it."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return "(can't be read)"
    return str(data.get("title", "")) if isinstance(data, dict) else "(can't be read)"


def fields_text() -> str:
    """Every key of a suite, of each adapter's model section and of each scorer's settings, with its docstring."""
    lines = ["extends: another suite file, relative to this one; its keys hold where this one is silent", ""]
    lines += _fields(Suite, "")
    for info in ADAPTERS.all().values():
        lines += ["", f"model, adapter `{info.name}`: {info.summary}", *_fields(info.options, "model.")]
    for info in SCORERS.all().values():
        if info.settings.model_fields:
            lines += ["", f"scorer `{info.name}`", *_fields(info.settings, "scorers.N.settings.")]
    return "\n".join(lines)


def _fields(model: type[BaseModel], prefix: str) -> list[str]:
    lines = []
    for name, field in model.model_fields.items():
        default = (
            "required" if field.is_required() else f"default {_short(field.get_default(call_default_factory=True))}"
        )
        text = " ".join((field.description or "").split())
        lines.append(f"{prefix}{name} ({_type(field.annotation)}, {default}): {text}")
        inner = _inner(field.annotation)
        if inner is not None and inner.model_fields and inner.__name__ not in ("ModelSpec", "ScorerSettings"):
            many = typing.get_origin(field.annotation) is tuple
            lines += _fields(inner, f"{prefix}{name}{'.N' if many else ''}.")
    return lines


def _inner(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *typing.get_args(annotation)]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _type(annotation: Any) -> str:
    if isinstance(annotation, type):
        return "mapping" if issubclass(annotation, BaseModel) else annotation.__name__
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
    if isinstance(value, BaseModel):
        return "as below"
    return json.dumps(value) if value != () else "none"


def json_schema_text() -> str:
    """JSON Schema of a suite file, with the model and settings sections of everything that is built in."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def json_schema() -> dict[str, Any]:
    """JSON Schema of a suite file. A suite that extends another may leave required keys to it."""
    schema = Suite.model_json_schema(mode="validation", ref_template="#/$defs/{model}")
    definitions = schema.setdefault("$defs", {})
    schema["properties"]["model"] = {
        "oneOf": [_embedded(info.options, definitions) for info in ADAPTERS.all().values()]
    }
    schema["properties"]["extends"] = {"type": "string", "description": "Another suite file, relative to this one."}
    definitions["PromptsSpec"]["properties"]["entries"]["items"] = {
        "anyOf": [{"type": "string"}, {"$ref": "#/$defs/PromptEntry"}]
    }
    schema["properties"]["scorers"]["items"] = {"anyOf": _scorer_uses(definitions)}
    required = schema.pop("required")
    schema["anyOf"] = [{"required": ["extends"]}, {"required": required}]
    return {"$schema": SCHEMA_ID, **schema}


def _scorer_uses(definitions: dict[str, Any]) -> list[dict[str, Any]]:
    """A scorer is a bare name, or a mapping whose settings are those of the scorer it names."""
    use = definitions.pop("ScorerUse")
    definitions.pop("ScorerSettings", None)
    names = {info.name: info for info in SCORERS.all().values()}
    uses: list[dict[str, Any]] = [
        {"enum": sorted(names), "description": "; ".join(f"{name}: {info.summary}" for name, info in names.items())}
    ]
    for name, info in names.items():
        properties = {**use["properties"], "name": {"const": name, "description": info.summary}}
        properties["settings"] = _embedded(info.settings, definitions)
        uses.append({**use, "title": name, "properties": properties})
    return uses


def _embedded(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's schema by reference, its definitions moved to the top."""
    schema = model.model_json_schema(mode="validation", ref_template="#/$defs/{model}")
    definitions.update(schema.pop("$defs", {}))
    definitions[model.__name__] = schema
    return {"$ref": f"#/$defs/{model.__name__}"}
