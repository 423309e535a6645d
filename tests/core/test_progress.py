"""Progress: machine-readable lines without a terminal, bars on one, silence when asked for."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

from nova_bench.core import progress as progress_module
from nova_bench.core.progress import Progress

LINE = re.compile(r"stage=(\S+) done=(\d+) total=(\d+) seconds=\d+\.\d rate=\d+\.\d{3}( unit=bytes)?")

STAGES = """
import sys
from nova_bench.core.progress import Progress
progress = Progress(quiet="quiet" in sys.argv)
with progress.stage("score", 6) as advance:
    advance(4)
    progress.warn("half way")
    advance(2)
with progress.stage("weights", 2_000_000, "bytes") as advance:
    advance(2_000_000)
progress.say("done")
"""


def test_a_long_stage_says_that_it_lives(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(progress_module, "LINE_INTERVAL_SECONDS", 0.05)
    with Progress().stage("download", 4, "bytes") as advance:
        advance(1)
        time.sleep(0.06)
        advance(1)
        advance(1)
        advance(1)
    lines = [LINE.fullmatch(line).groups() for line in capsys.readouterr().err.splitlines()]
    assert lines == [("download", "2", "4", " unit=bytes"), ("download", "4", "4", " unit=bytes")]


def test_stages_add_up_and_count_even_when_they_fail() -> None:
    progress = Progress(quiet=True)

    def fail() -> None:
        with progress.stage("score", 1):
            time.sleep(0.01)
            raise ValueError("x")

    for _ in range(2):
        with pytest.raises(ValueError, match="x"):
            fail()
    assert progress.seconds["score"] >= 0.02


def on_terminal(environment: dict[str, str], *arguments: str) -> str:
    """What STAGES writes when its standard error is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", STAGES, *arguments],
        env={**environment, "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    pieces: list[bytes] = []
    try:
        while process.poll() is None or select.select([ours], [], [], 0.1)[0]:
            if select.select([ours], [], [], 0.1)[0]:
                pieces.append(os.read(ours, 65536))
    except OSError:  # how Linux says that the other side was closed
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0
    return b"".join(pieces).decode().replace("\r\n", "\n")


def test_bars_on_a_terminal(environment: dict[str, str]) -> None:
    said = on_terminal({name: value for name, value in environment.items() if name != "CI"})
    for part in ("\x1b[", "━", "6/6", "2.0/2.0 MB", "warning: half way", "done"):
        assert part in said
    assert "stage=" not in said


def test_lines_on_a_terminal_of_ci(environment: dict[str, str]) -> None:
    said = on_terminal({**environment, "CI": "true"})
    assert [match.group(1) for match in LINE.finditer(said)] == ["score", "weights"]
    assert "━" not in said


def test_quiet_leaves_warnings(environment: dict[str, str]) -> None:
    assert on_terminal(environment, "quiet") == "warning: half way\n"
