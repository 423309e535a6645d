"""The runs of a store: `store runs`, and the page that every run adds itself to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path


def test_runs_are_listed_with_what_they_are(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    assert cli("run", write_suite(title="A <b>smoke</b> test")).returncode == 0
    assert cli("run", write_suite(scorers=[], report={"gallery": 1})).returncode == 0
    listed = cli("store", "runs").stdout
    newest, oldest = (line for line in listed.splitlines() if line.startswith("smoke-"))
    assert re.search(r"smoke-\w{6} .* Smoke test +\S+ +6", newest)
    assert re.search(r"smoke-\w{6} .* A <b>smoke</b> test +\S+ +6 +brightness 0\.\d{4}$", oldest.rstrip())
    page = (tmp_path / "runs" / "index.html").read_text()
    assert "A &lt;b&gt;smoke&lt;/b&gt; test" in page
    links = re.findall(r'href="(\./smoke-\w{6}/report/index.html)"', page)
    assert len(links) == 2
    assert all((tmp_path / "runs" / link).is_file() for link in links)


def test_a_run_without_a_report_has_no_link(cli: Callable, write_suite: Callable, tmp_path: Path) -> None:
    cli("run", write_suite())
    (page,) = tmp_path.glob("runs/smoke-*/report/index.html")
    page.unlink()
    cli("run", write_suite(scorers=[]))
    listed = (tmp_path / "runs" / "index.html").read_text()
    assert re.search(r'scope="row">smoke-\w{6}</th>', listed)
