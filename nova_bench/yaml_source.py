"""YAML that remembers where each value was written, so that an error can name file and line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nova_bench.errors import SuiteError
from nova_bench.names import nearest

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Origin:
    """Where a value was written: a line of a file, or a command-line option."""

    where: str
    base: Path
    """Folder that relative paths are relative to."""


@dataclass
class Source:
    """A YAML document: its plain data, and the origin of every key path in it."""

    data: dict[str, Any]
    origins: dict[KeyPath, Origin]

    def origin(self, path: KeyPath) -> Origin:
        """Origin of ``path``, or of the nearest enclosing value."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins[path]

    def merged_over(self, base: Source) -> Source:
        """This document over ``base``: mappings merge key by key, everything else replaces."""
        data, origins = _merge(base.data, self.data), dict(base.origins)
        for path in list(origins):
            if path and _replaced(self.data, path):
                del origins[path]
        return Source(data, {**origins, **self.origins})

    def with_value(self, assignment: str, base: Path) -> Source:
        """This document with one ``a.b.0.c=value`` assignment; the value is read as YAML."""
        option = f"--set {assignment}"
        keys, equals, text = assignment.partition("=")
        if not equals or not keys:
            raise SuiteError(f"{option}: no `key=value`", "for example --set sampling.num_frames=9")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SuiteError(f"{option}: the value is no YAML", "quote it: --set 'key=\"value\"'") from error
        path: KeyPath = tuple(int(key) if key.isdigit() else key for key in keys.split("."))
        data = _assign(self.data, path, value, option)
        origins = {known: origin for known, origin in self.origins.items() if known[: len(path)] != path}
        new = {path[:end] for end in range(1, len(path)) if path[:end] not in self.origins} | {path}
        return Source(data, {**origins, **dict.fromkeys(new, Origin(option, base))})


def parse(path: Path) -> Source:
    """Read one YAML file whose top level is a mapping. SuiteError with file and line for anything else."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: can't be read: {error}", "a suite is a UTF-8 YAML file") from error
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise SuiteError(f"{path}:1: a suite is a mapping of keys to values", "start it with `name: ...`")
        origins: dict[KeyPath, Origin] = {}
        data = _construct(loader, node, (), path, origins, ())
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark or error.context_mark).line + 1
        raise SuiteError(f"{path}:{line}: {error.problem}", "correct the YAML") from error
    except yaml.YAMLError as error:
        raise SuiteError(f"{path}: {error}".replace("\n", " "), "correct the YAML") from error
    finally:
        loader.dispose()
    return Source(data, origins)


def _construct(loader, node, path: KeyPath, file: Path, origins: dict[KeyPath, Origin], above: tuple) -> Any:
    """Plain data of a node; fills ``origins``. ``above`` are the enclosing nodes, to refuse a value inside itself."""
    origins[path] = Origin(f"{file}:{node.start_mark.line + 1}", file.parent)
    if node in above:
        raise SuiteError(f"{origins[path].where}: an anchor refers to itself", "remove the alias")
    if isinstance(node, yaml.MappingNode):
        _refuse_duplicates(node, file)
        loader.flatten_mapping(node)
        data = {}
        for key_node, value_node in node.value:
            key = str(loader.construct_object(key_node, deep=True))
            data[key] = _construct(loader, value_node, (*path, key), file, origins, (*above, node))
            # An error about a key points at the key, not at where a block value below it begins.
            origins[(*path, key)] = Origin(f"{file}:{key_node.start_mark.line + 1}", file.parent)
        return data
    if isinstance(node, yaml.SequenceNode):
        return [
            _construct(loader, item, (*path, index), file, origins, (*above, node))
            for index, item in enumerate(node.value)
        ]
    return loader.construct_object(node, deep=True)


def _refuse_duplicates(node: yaml.MappingNode, file: Path) -> None:
    seen: dict[str, int] = {}
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if key_node.value in seen:
            raise SuiteError(
                f"{file}:{line}: key {key_node.value!r} is there twice (first in line {seen[key_node.value]})",
                "remove one of them",
            )
        seen[key_node.value] = line


def _merge(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: _merge(base[key], value) if key in base else value for key, value in over.items()}}
    return over


def _replaced(data: Any, path: KeyPath) -> bool:
    """Whether ``data``, merged over a document, replaces what that document has at ``path``."""
    for key in path:
        if not isinstance(data, dict):
            return True
        if key not in data:
            return False
        data = data[key]
    return not isinstance(data, dict)


def _assign(data: Any, path: KeyPath, value: Any, option: str) -> Any:
    key, *rest = path
    if isinstance(data, list):
        if not isinstance(key, int) or not 0 <= key < len(data):
            raise SuiteError(f"{option}: {key!r} is no index of a list of {len(data)}", "count from 0")
        new = _assign(data[key], tuple(rest), value, option) if rest else value
        return [*data[:key], new, *data[key + 1 :]]
    if not isinstance(data, dict):
        raise SuiteError(f"{option}: {key!r} lies inside a plain value", "assign the whole value")
    key = str(key)
    return {**data, key: _assign(data.get(key, {}), tuple(rest), value, option) if rest else value}


def unknown_key(key: str, known: list[str]) -> str:
    """The message for a key that nothing knows, with the nearest valid one."""
    return f"unknown key {key!r}{nearest(key, known)}"
