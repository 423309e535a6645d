"""Standard output and error that are not UTF-8, closed, full, or read by nobody; foreign text that drives terminals."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_bench.core.visible_text import visible, visible_line

ESCAPES = "\x1b[2J\x1b]0;x\x07\r\x9b1m\u202e"
"""Clears the screen, names the window, goes back to the line's beginning, and turns what follows around."""
SHOWN = r"\x1b[2J\x1b]0;x\x07\r\x9b1m\u202e"


@given(st.text())
def test_visible_text_drives_nothing_and_can_be_written(text: str) -> None:
    shown = visible(text)
    assert all(char.isprintable() or char in "\n\t" or ord(char) >= 0xA0 for char in shown)
    assert len(shown.splitlines()) <= len(text.split("\n"))
    shown.encode()
    assert visible(shown) == shown


@given(st.text())
def test_a_line_stays_one_line(text: str) -> None:
    assert len(visible_line(text).splitlines()) <= 1


def test_a_name_with_line_ends_begins_no_line_of_the_terminal(cli: Callable, tmp_path: Path, write_suite) -> None:
    (tmp_path / "clips").mkdir()
    name = "a" + "error: b".join("\n\r\x85\u2028")
    (tmp_path / "clips" / f"{name}.mp4").write_bytes(b"nothing")
    (tmp_path / "clips" / f"{name}.doc").touch()
    write_suite(model={"adapter": "files", "folder": "clips"}, prompts=None, sampling={})
    commands = (
        ["run", "suite.yaml"],
        ["plan", "no\nerror: b"],
        ["run", "suite.yaml", "--set", "x\nerror: b=1", "--set", "y\nerror: b=1"],
    )
    for command in commands:
        ended = cli(*command)
        lines = [line for line in f"{ended.stdout}\n{ended.stderr}".splitlines() if line.startswith("error: b")]
        assert (ended.returncode in (0, 2, 3), lines) == (True, []), ended.stderr


def test_text_in_any_script_is_shown_as_it_is() -> None:
    text = "Ünï 日本語 עברית\t☃ 👩‍👩‍👧\n"
    assert visible(text) == text


def shell(environment: dict[str, str], folder: Path, command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A shell command in which `nova_bench` is the command line."""
    script = f'nova_bench() {{ "{sys.executable}" -m nova_bench "$@"; }}\n{command}'
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**environment, **more},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "--version",
        "plan suite.yaml",
        *(pytest.param(more, marks=pytest.mark.slow) for more in ("--help", "list", "plan --help")),
    ],
)
@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        (">/dev/full", 2, "error: standard output can't be written: No space left on device"),
        (">&-", 2, "error: standard output can't be written: Bad file descriptor"),
        (">/dev/null 2>&-", 0, ""),
        (">/dev/null 2>/dev/full", 0, ""),
        ("| true; exit ${PIPESTATUS[0]}", 141, ""),
    ],
)
def test_a_standard_stream_that_can_not_be_written(
    environment: dict[str, str],
    tmp_path: Path,
    write_suite: Callable,
    arguments: str,
    redirected: str,
    code: int,
    said: str,
) -> None:
    write_suite()
    result = shell(environment, tmp_path, f"nova_bench {arguments} {redirected}")
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr.splitlines()[:1] == ([said] if said else [])
    assert len(result.stderr.splitlines()) <= 2


@pytest.mark.slow
def test_a_run_that_can_not_say_so_is_kept(environment: dict[str, str], tmp_path: Path, write_suite: Callable) -> None:
    write_suite()
    full = shell(environment, tmp_path, "nova_bench run suite.yaml --store full -q > /dev/full")
    assert full.returncode == 2
    closed = shell(environment, tmp_path, "nova_bench run suite.yaml --store closed -q >&-")
    assert closed.returncode == 2
    for store in ("full", "closed"):
        assert len(list((tmp_path / store).glob("*/report/index.html"))) == 1
        again = shell(environment, tmp_path, f"nova_bench run suite.yaml --store {store}")
        assert again.returncode == 0
        assert "scores were there already" in again.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "locale",
    [
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="C"),
    ],
)
def test_output_that_is_not_utf8_has_its_characters_replaced(
    environment: dict[str, str], tmp_path: Path, write_suite: Callable, locale: dict[str, str]
) -> None:
    write_suite(title="Ünï 日本 ☃", prompts={"entries": ["日本語 ☃ 😀", "a café"]})
    for command in ("plan suite.yaml", "run suite.yaml", "report", "--help", "list"):
        result = shell(environment, tmp_path, f"nova_bench {command}", **locale)
        assert result.returncode == 0, result.stderr
        assert result.stdout.isascii()
        assert "Traceback" not in result.stderr
    page = next((tmp_path / "runs").glob("*/report/index.html")).read_text(encoding="utf-8")
    assert "日本" in page
    assert "?n? ?? ?" in shell(environment, tmp_path, "nova_bench report", **locale).stdout


def on_terminal(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    """What a terminal receives from both streams."""
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "nova_bench", *arguments], cwd=folder, env=environment, stdout=side, stderr=side
    )
    os.close(side)
    received = b""
    try:
        while chunk := os.read(terminal, 65536):
            received += chunk
    except OSError:
        pass
    process.wait()
    os.close(terminal)
    return received.decode("utf-8")


def test_names_prompts_labels_and_values_are_shown_escaped_everywhere(
    environment: dict[str, str], tmp_path: Path, write_suite: Callable
) -> None:
    """Also where colours and bars are drawn, in errors, and by whoever prints the log and the reports later."""
    name = f"{ESCAPES}x"
    write_suite(
        title=f"T{ESCAPES}",
        description=f"D{ESCAPES}",
        model={"adapter": "drift", "label": f"L{ESCAPES}[red]", "fail_on": name},
        prompts={"entries": [f"a {name}", {"text": f"b{ESCAPES}[/]", "tags": [f"t{ESCAPES}"]}]},
    )
    terminal = {**environment, "TERM": "xterm-256color"}
    terminal.pop("CI", None)
    seen = on_terminal(terminal, tmp_path, "run", "suite.yaml")
    assert "Traceback" not in seen
    assert SHOWN in seen
    for file in (tmp_path / "runs").rglob("*"):
        if file.suffix in (".log", ".html", ".md", ".tex", ".csv", ".json"):
            seen += file.read_text(encoding="utf-8")
    (tmp_path / f"{name}.yaml").write_text("title: [", encoding="utf-8")
    seen += on_terminal(terminal, tmp_path, "plan", f"{name}.yaml")
    seen += on_terminal(terminal, tmp_path, "plan", "suite.yaml", "--set", f"sampling.fps={name}")
    seen += on_terminal(terminal, tmp_path, "run", "suite.yaml", "--model", f"gone{ESCAPES}")
    for harm in ("\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\u202e"):
        assert harm not in seen
