"""Ctrl-C, SIGTERM and SIGHUP: the first asks a command to end, a second ends it at once.

The first raises KeyboardInterrupt, so that files, worker processes and the store are closed properly. Python can raise
it only between two of its own instructions, and some libraries swallow it. A thread therefore watches, which the
operating system wakes even while the main thread computes. It ends the process after a second signal, or when the time
for an orderly end is over. Nothing is lost by that: the store survives being killed at any moment.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from nova_bench.core.errors import ExitCode
from nova_bench.core.visible_text import visible_line

GRACE_SECONDS = 4.0
"""How long a command may take to end in order."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_asked = threading.Event()
_said = threading.Lock()
_held = _owed = False


def watch_signals() -> None:
    """Let these signals end this process from now on. Call it from the main thread; repeated calls are harmless.

    A signal that was ignored when the process began stays ignored: shells ignore Ctrl-C for background jobs, and
    `nohup` ignores the end of the terminal.
    """
    if signal.getsignal(signal.SIGTERM) is _interrupt:
        return
    awaited, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.unraisablehook = _quietly(sys.unraisablehook)
    threading.Thread(target=_watch, args=(awaited,), name="signals", daemon=True).start()


def end_requested() -> bool:
    """Whether the process was asked to end; an error raised now is most likely a consequence."""
    return _asked.is_set()


def say_interrupted() -> ExitCode:
    """Print once that the command was interrupted and how to continue it; return the exit code."""
    if _said.acquire(blocking=False):
        again = visible_line(shlex.join(["python", "-m", "nova_bench", *sys.argv[1:]]))
        # Progress bars hide the cursor, and a process that ends at once can't show it again.
        shown = "\x1b[?25h" if _is_terminal(2) else ""
        text = f"{shown}\ninterrupted; everything finished is kept. To continue: {again}\n"
        # Not through sys.stderr: the main thread may be in the middle of using it.
        with suppress(OSError):
            os.write(2, text.encode(errors="backslashreplace"))
    return ExitCode.INTERRUPTED


def end_interrupted() -> NoReturn:
    """End this process and its remaining workers, skipping Python's own shutdown, which a signal could cut short."""
    code = say_interrupted()
    if "multiprocessing.process" in sys.modules:
        for child in sys.modules["multiprocessing.process"].active_children():
            child.kill()
    os._exit(code)


@contextmanager
def held_back() -> Iterator[None]:
    """Delay interrupts until the block ends, so that a process is both started and recorded, or neither.

    Processes started inside never see Ctrl-C, which a terminal sends to all processes: this one decides.
    """
    global _held, _owed
    main = threading.current_thread() is threading.main_thread()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    _held = main or _held
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if main:
            _held = False
            if _owed:
                _owed = False
                raise KeyboardInterrupt


def _interrupt(number: int, frame: object) -> None:
    """Run in the main thread, as soon as Python can."""
    global _owed
    if _asked.is_set():
        return  # the thread that watches ends the process
    _asked.set()
    if _held:
        _owed = True
    else:
        raise KeyboardInterrupt


def _watch(awaited: int) -> None:
    until = None
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([awaited], [], [], left)[0]:
            end_interrupted()
        for number in os.read(awaited, 64):
            if number in _SIGNALS:
                if until is not None:
                    end_interrupted()
                until = time.monotonic() + GRACE_SECONDS


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _quietly(hook: Callable[[Any], None]) -> Callable[[Any], None]:
    """``sys.unraisablehook`` that ignores interrupts in code that can't raise; the process ends all the same."""

    def told(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            hook(unraisable)

    return told
