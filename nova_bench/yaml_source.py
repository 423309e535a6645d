"""YAML that remembers where each value was written, so that an error can name file and line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nova_bench.errors import SuiteError
from nova_bench.expectation import shorten

KeyPath = tuple[str | int, ...]

MOST_VALUES = 200_000
"""More values than this in one file are a mistake, or aliases that multiply each other."""


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

    def with_value(self, path: KeyPath, value: Any, option: str, base: Path) -> Source:
        """This document with ``value`` at ``path``; errors about it name the command-line ``option``."""
        return self.with_section(path, value, {(): Origin(option, base)})

    def with_section(self, path: KeyPath, value: Any, inside: dict[KeyPath, Origin]) -> Source:
        """The same where parts of ``value`` were written in several places: ``inside`` has the origins within it."""
        data = _assign(self.data, path, value, inside[()].where)
        origins = {known: origin for known, origin in self.origins.items() if known[: len(path)] != path}
        new = {path[:end] for end in range(1, len(path)) if path[:end] not in self.origins}
        moved = {(*path, *known): origin for known, origin in inside.items()}
        return Source(data, {**origins, **dict.fromkeys(new, inside[()]), **moved})

    def without(self, section: str) -> Source:
        """This document without a top-level section and the origins of everything in it."""
        data = {key: value for key, value in self.data.items() if key != section}
        return Source(data, {path: origin for path, origin in self.origins.items() if path[:1] != (section,)})

    def section(self, path: KeyPath) -> Source:
        """The mapping at ``path`` as a document of its own."""
        data: Any = self.data
        for key in path:
            data = data[key]
        inside = {known[len(path) :]: origin for known, origin in self.origins.items() if known[: len(path)] == path}
        return Source(data, {(): self.origin(path), **inside})


def parse_assignment(assignment: str) -> tuple[KeyPath, Any]:
    """``a.b.0.c=value`` as a key path and a value, which is read as YAML: numbers, lists, true, null, text."""
    option = f"--set {assignment}"
    keys, equals, text = assignment.partition("=")
    if not equals or not keys:
        raise SuiteError(f"{option}: no `key=value`", "for example --set sampling.num_frames=9")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SuiteError(f"{option}: the value is no YAML", "quote it: --set 'key=\"value\"'") from error
    return key_path(keys), value


def key_path(keys: str) -> KeyPath:
    """``a.b.0.c`` as a key path."""
    return tuple(int(key) if _is_index(key) else key for key in keys.split("."))


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdecimal() and len(key) < 10


def parse(path: Path) -> Source:
    """Read one YAML file whose top level is a mapping. SuiteError with file and line for anything else."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SuiteError(f"{path}:{line}: not UTF-8", "save the file as UTF-8") from error
    except OSError as error:
        raise SuiteError(f"{path}: can't be read: {error.strerror or error}", "a suite is a UTF-8 YAML file") from error
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            line = node.start_mark.line + 1 if node else 1
            raise SuiteError(f"{path}:{line}: a suite is a mapping of keys to values", "start it with `name: ...`")
        document = _Document(loader, path)
        data = document.construct(node, (), ())
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark or error.context_mark).line + 1
        raise SuiteError(f"{path}:{line}: {error.problem}", "correct the YAML") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SuiteError(
            f"{path}:{line}: the character U+{error.character:04X} is not allowed",
            "remove it, or write it as an escape",
        ) from error
    except RecursionError as error:
        raise SuiteError(f"{path}: nested too deeply", "a suite is a few levels deep") from error
    return Source(data, document.origins)


class _Document:
    """Builds plain data from the nodes of one file and notes where each value was written."""

    def __init__(self, loader: yaml.SafeLoader, file: Path):
        self._loader, self._file = loader, file
        self.origins: dict[KeyPath, Origin] = {}

    def construct(self, node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> Any:
        """Plain data of a node. ``above`` are the enclosing nodes, to refuse a value inside itself."""
        self.origins[path] = self._origin(node)
        if node in above:
            raise SuiteError(f"{self.origins[path].where}: an anchor refers to itself", "remove the alias")
        if len(self.origins) > MOST_VALUES:
            raise SuiteError(
                f"{self.origins[path].where}: more than {MOST_VALUES} values",
                "put prompts into a file (prompts.file), and check the aliases",
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.construct(item, (*path, index), (*above, node)) for index, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node, deep=True)
        except ValueError as error:  # 2024-02-30, an integer of 5000 digits
            raise SuiteError(f"{self.origins[path].where}: {shorten(node.value)}: {error}", "quote it") from error

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        own = _own_keys(node, self._file)
        data = {}
        for key_node, value_node in _flattened(self._loader, node):
            key = str(self._loader.construct_object(key_node, deep=True))
            data[key] = self.construct(value_node, (*path, key), above)
            # An error about a key points at the key, not at where a block value below it begins.
            if key_node in own:
                self.origins[(*path, key)] = self._origin(key_node)
        return data

    def _origin(self, node: yaml.Node) -> Origin:
        return Origin(f"{self._file}:{node.start_mark.line + 1}", self._file.parent)


def _own_keys(node: yaml.MappingNode, file: Path) -> set[yaml.Node]:
    """The keys written in a mapping; SuiteError where one is there twice or is no plain word."""
    seen: dict[str, int] = {}
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise SuiteError(f"{file}:{line}: a key must be a word, not a list or mapping", "correct the YAML")
        if key_node.value in seen:
            raise SuiteError(
                f"{file}:{line}: key {shorten(key_node.value)} is there twice (first in line {seen[key_node.value]})",
                "remove one of them",
            )
        seen[key_node.value] = line
    return {key_node for key_node, _ in node.value}


def _flattened(loader: yaml.SafeLoader, node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """Keys and values of a mapping with its `<<` merged in, merged ones first. The node itself stays as written."""
    copy = yaml.MappingNode(node.tag, list(node.value), node.start_mark, node.end_mark)
    loader.flatten_mapping(copy)
    return copy.value


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
    if data is None:
        data = {}
    if isinstance(data, list):
        if not isinstance(key, int) or not 0 <= key < len(data):
            raise SuiteError(f"{option}: {key!r} is no index of a list of {len(data)}", "count from 0")
        new = _assign(data[key], tuple(rest), value, option) if rest else value
        return [*data[:key], new, *data[key + 1 :]]
    if not isinstance(data, dict):
        raise SuiteError(f"{option}: {key!r} lies inside a plain value", "assign the whole value")
    key = str(key)
    return {**data, key: _assign(data.get(key, {}), tuple(rest), value, option) if rest else value}
