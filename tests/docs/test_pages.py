"""The documentation agrees with the code, its links lead somewhere, and the README is short."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from nova_bench.cli import app
from tests.docs.blocks import PAGES, ROOT


def test_reference_pages_are_up_to_date() -> None:
    for name in ("suites.md", "metrics.md"):
        code = f"import references; print(dict(references.pages())[{name!r}], end='')"
        made = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT / "docs" / "scripts", capture_output=True, text=True, check=True
        )
        assert made.stdout == (ROOT / "docs" / "reference" / name).read_text(), "python docs/scripts/references.py"


def test_every_command_has_its_part_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "commands.md").read_text()
    for command in app.registered_commands:
        assert f"## `python -m nova_bench {command.name}`" in text
    assert "* `-y, --yes`" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for address in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not re.match(r"\w+:", address):
            assert (page.parent / address).exists(), address


def test_the_readme_is_short() -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
    assert len(re.sub(r"\]\([^)]*\)", "]", prose).split()) < 700


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs isn't here: pip install -r docs/requirements.txt")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    text = (tmp_path / "site" / "index.html").read_text()
    assert not re.search(r'(src|href)="https?://(?!arxiv)[^"]*\.(js|css|woff2?)', text)
