"""One side's worker process, as seen by the comparison: asked for one thing at a time."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import nova_bench
from nova_bench.core.errors import ExitCode, UserError
from nova_bench.core.interrupts import held_back
from nova_bench.core.json_text import parse_json
from nova_bench.core.messages import shorten
from nova_bench.core.visible_text import visible_line

WORKER = Path(__file__).with_name("worker.py")
SOURCE = str(Path(nova_bench.__file__).parents[1])
"""Folder from which this build is imported."""
LONGEST_ANSWER = 1 << 20
LAST_WORDS = 4096
END_SECONDS = 5.0


class SideFailed(UserError):
    """A side that can't be timed: it can't start, died, hung, or speaks another protocol."""

    exit_code = ExitCode.INCOMPLETE


class SideProcess:
    """A worker, started with the interpreter ``python``, or with this one if it is None."""

    def __init__(self, name: str, python: str | None, stall_seconds: float, words: IO[bytes]):
        """``words`` takes what the worker writes to its standard error."""
        self.name, self._stall_seconds, self._words = name, stall_seconds, words
        self._buffer = b""
        try:
            with held_back():
                self._process = subprocess.Popen(
                    # -P: the worker's own folder is no place to import from.
                    [python or sys.executable, "-P", str(WORKER)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._words,
                    env=_environment(python is not None),
                )
        except OSError as error:
            raise UserError(
                f"{name}: {python}: can't be started: {error.strerror}", "name the python of an environment"
            ) from error

    def ask(self, order: str, key: str) -> Any:
        """Send one line and return what the answer has under ``key``. SideFailed if there is no such answer."""
        assert self._process.stdin is not None, "it is a pipe"
        try:
            self._process.stdin.write(order.encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None
        line = self._line()
        try:
            answer = parse_json(line)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and "error" in answer:
            raise self._told(answer)
        if not isinstance(answer, dict) or key not in answer:
            shown = shorten(line.decode(errors="replace"))
            raise SideFailed(f"{self.name}: its worker answered {shown}", "name the python of a nova_bench environment")
        return answer[key]

    def close(self) -> None:
        """End the process now; it keeps nothing."""
        self._process.kill()
        with suppress(OSError), self._process:  # what it hasn't read yet doesn't matter
            pass

    def _line(self) -> bytes:
        """The next line of the worker. SideFailed if it ends, or says nothing for too long."""
        assert self._process.stdout is not None, "it is a pipe"
        until = time.monotonic() + self._stall_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if len(self._buffer) > LONGEST_ANSWER:
                    raise SideFailed(f"{self.name}: its worker's answer has no end")
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise SideFailed(
                        f"{self.name}: its worker hung: no answer for {self._stall_seconds:g} s",
                        "if it was only slow: --stall-seconds SECONDS",
                    )
                part = os.read(self._process.stdout.fileno(), 1 << 16)
                if not part:
                    raise self._ended()
                self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _ended(self) -> SideFailed:
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return SideFailed(f"{self.name}: its worker closed its output")
        try:
            how = f"ended with exit code {code}" if code >= 0 else f"died ({signal.Signals(-code).name})"
        except ValueError:
            how = f"died (signal {-code})"
        self._words.seek(max(0, self._words.seek(0, os.SEEK_END) - LAST_WORDS))
        lines = self._words.read().decode(errors="replace").split("\n")
        last = next((visible_line(line.strip()) for line in reversed(lines) if line.strip()), "")
        memory = "the memory may not hold both sides" if code == -signal.SIGKILL else None
        return SideFailed(f"{self.name}: its worker {how}{f': {last}' if last else ''}", memory)

    def _told(self, answer: dict[str, Any]) -> UserError:
        kind = UserError if answer.get("usage") is True else SideFailed
        remedy = answer.get("remedy")
        return kind(f"{self.name}: {' '.join(str(answer['error']).split())}", str(remedy) if remedy else None)


@contextmanager
def side_process(name: str, python: str | None, stall_seconds: float) -> Iterator[SideProcess]:
    """A worker that ends with the block."""
    with tempfile.TemporaryFile() as words:
        side = SideProcess(name, python, stall_seconds, words)
        try:
            yield side
        finally:
            side.close()


def _environment(other: bool) -> dict[str, str]:
    """Variables of a worker: this source tree for this build, and without it for another one."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    own = [path for path in paths if os.path.realpath(path) != os.path.realpath(SOURCE)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(own if other else [SOURCE, *own])}
