"""The digest of the timed code: what changes it, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_bench.experiments.latency.build import build_digest, code_digest

CODE = '''"""What it is for."""

import math
from pathlib import Path

LIMIT = 3
"""How many."""


def area(radius):
    """The area of a circle."""
    # pi r squared
    return math.pi * radius ** 2
'''


@pytest.fixture
def digest_of(tmp_path: Path):
    def digest_of(source: str, name: str = "code.py") -> str:
        path = tmp_path / name
        path.write_text(source)
        return code_digest([path])

    return digest_of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("What it is for.", "What this is for."),
        ("How many.", "The most of them."),
        ("The area of a circle.", "Area."),
        ("# pi r squared", "# the formula"),
        ("import math\n", "import math\nimport ast\n"),
        ("from pathlib import Path", "from elsewhere.paths import Path"),
        ("radius ** 2", "(\n        radius**2\n    )"),
    ],
)
def test_what_describes_or_imports_is_not_the_code(digest_of, old: str, new: str) -> None:
    assert old in CODE
    assert digest_of(CODE.replace(old, new)) == digest_of(CODE)


@pytest.mark.parametrize(("old", "new"), [("LIMIT = 3", "LIMIT = 4"), ("** 2", "** 3"), ("def area", "def disc")])
def test_what_runs_is(digest_of, old: str, new: str) -> None:
    assert old in CODE
    assert digest_of(CODE.replace(old, new)) != digest_of(CODE)


def test_a_file_may_move(digest_of) -> None:
    assert digest_of(CODE, "other.py") == digest_of(CODE)


def test_c_counts_by_its_bytes(digest_of) -> None:
    assert digest_of("int a; /* b */", "a.c") != digest_of("int a;", "a.c")


def test_every_file_counts_in_any_order(tmp_path: Path) -> None:
    paths = [tmp_path / "a.py", tmp_path / "b.py"]
    for path in paths:
        path.write_text(f"name = {path.stem!r}")
    assert code_digest(paths) == code_digest(reversed(paths)) != code_digest(paths[:1])


def test_the_build_is_the_same_twice() -> None:
    first = build_digest()
    build_digest.cache_clear()
    assert build_digest() == first
