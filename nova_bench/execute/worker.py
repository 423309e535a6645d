"""The worker side of :mod:`nova_bench.execute.local`: the code that runs in a worker process."""

from __future__ import annotations

import ctypes
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from enum import Enum, auto
from multiprocessing.connection import Connection

from nova_bench.core.batches import one_line
from nova_bench.core.errors import UserError
from nova_bench.core.steps import listen_to_steps
from nova_bench.execute.base import Work, begin
from nova_bench.execute.crew import Reporting


class News(Enum):
    """The messages of a worker to its parent, each with a content."""

    READY = auto()
    """It has its work; the content is the errand's number and what it says of itself, if its work knows that."""
    STEP = auto()
    """What it does next."""
    DONE = auto()
    """The results of a chunk."""
    ERROR = auto()
    """An exception that ends the whole call."""
    GONE = auto()
    """The last message: its end of the pipe closed."""


class Order(Enum):
    """The messages of a parent to its worker, each with a content. The first two are answered."""

    WORK = auto()
    """The number of this errand, and work to be done from now on, which the worker keeps, with the work's number."""
    ITEMS = auto()
    """A chunk of items for it, and the items of the one that will probably follow."""
    END = auto()


def serve(pipe: Connection, threads: int) -> None:
    """Receive work and chunks of items, and send back results until told to end.

    ``threads`` is this worker's share of the cores. This process ends with its parent, however the parent ends: the
    parent's end of the pipe then closes, even after SIGKILL, and Linux ends this process even if it is stopped.
    """
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, orders), daemon=True).start()
    sending = threading.Lock()

    def send(news: News, content: object = None) -> None:
        with sending:
            pipe.send((news, content))

    works: dict[int, Work] = {}
    work: Work | None = None
    try:
        listen_to_steps(lambda step: send(News.STEP, step))
        while True:
            order, content = pickle.loads(orders.get())
            if order == Order.END:
                return
            if order == Order.WORK:
                errand, number, pickled = content
                work = works[number] = works[number] if number in works else _load(pickled)
                if (torch := sys.modules.get("torch")) is not None:
                    torch.set_num_threads(threads)
                send(News.READY, (errand, work.arrival() if isinstance(work, Reporting) else None))
            else:
                assert work is not None, "work comes before items"
                items, following = content
                begin(following, work)
                send(News.DONE, list(work(items)))
    except Exception as error:
        send(News.ERROR, _portable(error))


def _end_with_parent() -> None:
    """On Linux, have the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _load(work: bytes) -> Work:
    try:
        return pickle.loads(work)
    except Exception as error:
        raise UserError(
            f"a worker process can't begin: {one_line(error)}", "use --executor inline, which needs none"
        ) from error


def _receive(pipe: Connection, orders: queue.SimpleQueue[bytes]) -> None:
    try:
        while True:
            orders.put(pipe.recv_bytes())
    except (EOFError, OSError):
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note, or a similar one if it can't be sent to another process."""
    error.add_note("".join(traceback.format_exception(error)).rstrip())
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(error.__notes__[-1])
    return error
