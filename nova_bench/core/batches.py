"""Batches that shrink when memory runs out, and in which one bad item doesn't fail the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from nova_bench.core.errors import MediaError, UserError
from nova_bench.core.interrupts import end_requested

Item = TypeVar("Item")
Result = TypeVar("Result")

_NO_MEMORY = ("out of memory", "can't allocate memory", "_ALLOC_FAILED")
"""What torch says of a device or the host; the last is the end of cuBLAS's, cuDNN's and cuFFT's status."""


def work_in_batches(
    items: Sequence[Item],
    size: int,
    work: Callable[[Sequence[Item]], Sequence[Result]],
    warn: Callable[[str], None],
) -> Iterator[tuple[Item, Result | Exception]]:
    """Yield (item, result) for every item, in order: the flattened :func:`batches_of_work`."""
    for batch in batches_of_work(items, size, work, warn):
        yield from batch


def batches_of_work(
    items: Sequence[Item],
    size: int,
    work: Callable[[Sequence[Item]], Sequence[Result]],
    warn: Callable[[str], None],
    shrunk: Callable[[int], None] = lambda size: None,
) -> Iterator[list[tuple[Item, Result | Exception]]]:
    """Yield a list of (item, result) for each batch that ``work`` has done, in order, of at most ``size`` items.

    If memory runs out, the batch size is halved with a warning and the work continues; ``shrunk`` is told the new size,
    for a caller that comes again. After any other error, including an attempt to exit the program, the batch is
    repeated item by item, so that only the faulty item gets the error. A UserError other than a MediaError concerns
    everything and is raised.
    """
    start = 0
    while start < len(items):
        batch = items[start : start + size]
        try:
            results = _checked(work(batch), batch)
        except (Exception, SystemExit) as error:
            if end_requested():
                raise KeyboardInterrupt from error
            if isinstance(error, UserError) and not isinstance(error, MediaError):
                raise
            if no_memory := is_out_of_memory(error):
                free_memory(error)
            if len(batch) == 1:
                yield [(batch[0], _as_exception(error))]
                start += 1
            elif no_memory:
                size = max(1, len(batch) // 2)
                warn(f"out of memory with a batch of {len(batch)}; continuing with {size}")
                shrunk(size)
            else:
                for item in batch:
                    yield from batches_of_work([item], 1, work, warn)
                start += len(batch)
            continue
        yield list(zip(batch, results, strict=True))
        start += len(batch)


def _as_exception(error: Exception | SystemExit) -> Exception:
    if isinstance(error, Exception):
        return error
    ended = RuntimeError(f"tried to end the program ({one_line(error)})")
    ended.__cause__ = error
    return ended


def _checked(results: Sequence[Result], batch: Sequence[Item]) -> Sequence[Result]:
    if len(results) != len(batch):
        raise ValueError(f"{len(results)} results for {len(batch)} samples")
    return results


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device or the host had no memory left."""
    if isinstance(error, MemoryError):
        return True
    # torch.OutOfMemoryError is a RuntimeError; checking the name avoids importing torch.
    name = type(error).__name__
    return name == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
    )


def free_memory(error: BaseException | None = None) -> None:
    """Release device memory: what the frames that ``error`` came through still hold, and what torch caches.

    An exception keeps those frames, and with them their tensors, as long as it is kept itself.
    """
    import gc
    import sys
    import traceback

    while error is not None:
        traceback.clear_frames(error.__traceback__)  # passes over the frames that still run
        error = error.__cause__ or error.__context__
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def one_line(error: BaseException) -> str:
    """An exception as one line for a row or a log."""
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
