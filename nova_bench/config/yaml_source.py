"""YAML that remembers where each value was written, so that an error can name the file and line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from nova_bench.core.errors import SuiteError
from nova_bench.core.messages import shorten
from nova_bench.core.regular_files import read_text

KeyPath = tuple[str | int, ...]

_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
SMALLEST, LARGEST = -(2**63), 2**64 - 1
"""Range of 64-bit integers, signed or unsigned."""

MOST_VALUES = 200_000
"""More values in one file are a mistake, or aliases that multiply one another."""


MOST_BYTES = 8_000_000
"""A larger file isn't a suite."""


class _Loader(yaml.SafeLoader):
    """YAML whose numbers are read as people write them: 0123 is 123, and 1:30 is text.

    YAML 1.1 reads the first as octal and the second in base 60. Everything else is as in YAML 1.1: yes and no are truth
    values; 1_000, 0x1f and 0b11 are numbers.
    """

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """An integer of at most 64 bits."""
        text = self.construct_scalar(node).replace("_", "")
        digits = text.lstrip("+-").lower()
        base = {"0b": 2, "0x": 16}.get(digits[:2], 10)
        # Integers with more digits than 64 bits need aren't converted: that takes quadratic time.
        value = int(text, base) if len(digits.removeprefix("0b").removeprefix("0x").lstrip("0")) <= 64 else None
        if value is None or not SMALLEST <= value <= LARGEST:
            raise ValueError("an integer of more than 64 bits")
        return value


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_INT, _FLOAT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _INT,
    re.compile(r"[-+]?(?:0b_*[01][01_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|[0-9][0-9_]*)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
    ),
    list("-+0123456789."),
)
_Loader.add_constructor(_INT, _Loader.construct_integer)


@dataclass(frozen=True)
class Origin:
    """Where a value was written: a line of a file, or a command-line option."""

    where: str
    base: Path
    """Folder that relative paths refer to."""


@dataclass(frozen=True)
class Source:
    """A YAML document: plain data, the origin of every key path in it, and the files that it was read from."""

    data: dict[str, Any]
    origins: dict[KeyPath, Origin]
    files: tuple[Path, ...] = ()

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
        return Source(data, {**origins, **self.origins}, (*self.files, *base.files))

    def with_value(self, path: KeyPath, value: Any, option: str, base: Path) -> Source:
        """This document with ``value`` at ``path``; errors about it name the command-line ``option``."""
        return self.with_section(path, value, {(): Origin(option, base)})

    def with_section(self, path: KeyPath, value: Any, inside: dict[KeyPath, Origin]) -> Source:
        """The same for a ``value`` that was written in several places: ``inside`` has the origins within it."""
        data = _assign(self.data, path, value, inside[()].where)
        origins = {known: origin for known, origin in self.origins.items() if known[: len(path)] != path}
        new = {path[:end] for end in range(1, len(path)) if path[:end] not in self.origins}
        moved = {(*path, *known): origin for known, origin in inside.items()}
        return replace(self, data=data, origins={**origins, **dict.fromkeys(new, inside[()]), **moved})

    def without(self, section: str) -> Source:
        """This document without a top-level section and the origins of everything in it."""
        data = {key: value for key, value in self.data.items() if key != section}
        origins = {path: origin for path, origin in self.origins.items() if path[:1] != (section,)}
        return replace(self, data=data, origins=origins)

    def section(self, path: KeyPath) -> Source:
        """The mapping at ``path`` as a document of its own."""
        data: Any = self.data
        for key in path:
            data = data[key]
        inside = {known[len(path) :]: origin for known, origin in self.origins.items() if known[: len(path)] == path}
        return replace(self, data=data, origins={(): self.origin(path), **inside})


def parse_assignment(assignment: str) -> tuple[KeyPath, Any]:
    """Parse ``a.b.0.c=value`` into a key path and a value in YAML: numbers, lists, true, null, text."""
    option = f"--set {shorten(assignment)[1:-1]}"
    keys, equals, text = assignment.partition("=")
    if not equals or not keys:
        raise SuiteError(f"{option}: not of the form `key=value`", "for example --set sampling.num_frames=9")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        value = None if node is None else _Document(loader, Path(), option).construct(node, (), ())
    except (yaml.YAMLError, RecursionError) as error:
        raise SuiteError(f"{option}: the value is not valid YAML", "quote it: --set 'key=\"value\"'") from error
    return key_path(keys), value


def key_path(keys: str) -> KeyPath:
    """Parse ``a.b.0.c`` as a key path."""
    return tuple(int(key) if _is_index(key) else key for key in keys.split("."))


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdecimal() and len(key) < 10


def parse(path: Path) -> Source:
    """Read one YAML file with a mapping at the top level. Raises SuiteError with file and line for anything else."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SuiteError(f"{path}: larger than {MOST_BYTES:,} bytes", "put prompts into a file (prompts.file)")
        text = read_text(path)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SuiteError(f"{path}:{line}: not UTF-8", "save the file as UTF-8") from error
    except OSError as error:
        raise SuiteError(f"{path}: can't be read: {error.strerror or error}", "a suite is a UTF-8 YAML file") from error
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            line = node.start_mark.line + 1 if node else 1
            raise SuiteError(f"{path}:{line}: a suite must be a mapping of keys to values", "start it with `name: ...`")
        document = _Document(loader, path)
        data = document.construct(node, (), ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else path
        raise SuiteError(f"{where}: {error.problem}", "correct the YAML") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SuiteError(
            f"{path}:{line}: the character U+{error.character:04X} is not allowed",
            "remove it, or write it as an escape",
        ) from error
    except RecursionError as error:
        raise SuiteError(f"{path}: nested too deeply", "a suite needs only a few levels") from error
    return Source(data, document.origins, (path,))


class _Document:
    """Builds plain data from the nodes of one file and records where each value was written."""

    def __init__(self, loader: yaml.SafeLoader, file: Path, option: str = ""):
        self._loader, self._file, self._option = loader, file, option
        self.origins: dict[KeyPath, Origin] = {}

    def construct(self, node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> Any:
        """Plain data of a node. ``above`` holds the enclosing nodes, to refuse a value inside itself."""
        self.origins[path] = self._origin(node)
        if node in above:
            raise SuiteError(f"{self.origins[path].where}: an alias refers to its own parent", "remove the alias")
        if len(self.origins) > MOST_VALUES:
            raise SuiteError(
                f"{self.origins[path].where}: more than {MOST_VALUES} values",
                "put prompts into a file (prompts.file), and check the aliases",
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.construct(item, (*path, index), (*above, node)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            value = self._loader.construct_object(node, deep=True)
        except (ValueError, TypeError, AttributeError, LookupError, yaml.constructor.ConstructorError) as error:
            # 2024-02-30, an integer of 5000 digits, a tag that the value doesn't fit
            problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else error
            raise SuiteError(
                f"{self._origin(node).where}: {shorten(node.value)}: {problem}", "correct it, or quote it if it is text"
            ) from error
        if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise SuiteError(
                f"{self._origin(node).where}: {shorten(value)}: half of a surrogate pair is not a character",
                "write the character itself, or \\U and its eight digits",
            )
        return value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        own = self._own_keys(node)
        data = {}
        for key_node, value_node in _flattened(self._loader, node):
            key = str(self._scalar(key_node))
            data[key] = self.construct(value_node, (*path, key), above)
            # An error about a key points at the key, not at the start of the block value below it.
            if key_node in own:
                self.origins[(*path, key)] = self._origin(key_node)
        return data

    def _own_keys(self, node: yaml.MappingNode) -> set[yaml.Node]:
        """The keys written in a mapping. Raises SuiteError if a key appears twice or isn't a plain word."""
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            where = self._origin(key_node).where
            if not isinstance(key_node, yaml.ScalarNode):
                raise SuiteError(f"{where}: a key must be a word, not a list or mapping", "correct the YAML")
            if key_node.value in seen:
                first = f" (first in line {seen[key_node.value]})" if not self._option else ""
                raise SuiteError(f"{where}: key {shorten(key_node.value)} appears twice{first}", "remove one of them")
            seen[key_node.value] = key_node.start_mark.line + 1
        return {key_node for key_node, _ in node.value}

    def _origin(self, node: yaml.Node) -> Origin:
        return Origin(self._option or f"{self._file}:{node.start_mark.line + 1}", self._file.parent)


def _flattened(loader: yaml.SafeLoader, node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """Keys and values of a mapping with its `<<` merged in, merged ones first. The node itself stays unchanged."""
    copy = yaml.MappingNode(node.tag, list(node.value), node.start_mark, node.end_mark)
    loader.flatten_mapping(copy)
    return copy.value


def _merge(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: _merge(base[key], value) if key in base else value for key, value in over.items()}}
    return over


def _replaced(data: Any, path: KeyPath) -> bool:
    """Whether merging ``data`` over a document replaces what the document has at ``path``."""
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
            raise SuiteError(f"{option}: {key!r} is not an index of a list of {len(data)}", "count from 0")
        new = _assign(data[key], tuple(rest), value, option) if rest else value
        return [*data[:key], new, *data[key + 1 :]]
    if not isinstance(data, dict):
        raise SuiteError(f"{option}: {key!r} is inside a plain value", "assign the whole value")
    key = str(key)
    return {**data, key: _assign(data.get(key, {}), tuple(rest), value, option) if rest else value}
